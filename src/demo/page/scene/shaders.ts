// The render host may have no GPU. There a fragment costs some ten nanoseconds and more when it is blended, and
// every instance of an instanced draw about as much as a thousand of them. So shapes are computed once or in
// JavaScript, colours are interpolated between few vertices, and each kind of thing is one draw call.

/** Places world coordinates: x −aspect to aspect, y the height over the water. */
const COMMON = `#version 300 es
precision highp float;
uniform float u_aspect;
uniform float u_horizon;
vec4 place(vec2 world) {
  return vec4(world.x / u_aspect, u_horizon + world.y, 0.0, 1.0);
}
`;

/** Colour between vertices. */
export const FLAT_FRAGMENT = `#version 300 es
precision mediump float;
in vec3 v_color;
out vec4 o_color;
void main() {
  o_color = vec4(v_color, 1.0);
}
`;

/** A mesh whose vertices carry their colour: sky and rings. */
export const MESH_VERTEX = `${COMMON}
layout(location = 0) in vec2 a_position;
layout(location = 1) in vec3 a_color;
out vec3 v_color;
void main() {
  gl_Position = place(a_position);
  v_color = a_color;
}
`;

/** Mountains, in layers that shift against each other as the camera sways. */
export const RIDGE_VERTEX = `${COMMON}
layout(location = 0) in vec2 a_position;
// Depth, 0 far to 1 near; and the row: 0 foot, 1 outline, 2 faded out.
layout(location = 1) in vec2 a_kind;
uniform vec3 u_far;
uniform vec3 u_near;
uniform vec3 u_fog;
uniform vec3 u_rim;
uniform float u_sway;
out vec4 v_color;
void main() {
  float depth = a_kind.x;
  gl_Position = place(a_position + vec2(u_sway * (0.02 + 0.1 * depth), 0.0));
  vec3 rock = mix(u_far, u_near, sqrt(depth));
  float glow = (1.0 - depth) * a_position.y;
  vec3 color = a_kind.y > 0.5 ? rock + u_rim * 0.2 * glow : mix(rock, u_fog, 0.8 * (1.0 - depth));
  v_color = vec4(color, a_kind.y > 1.5 ? 0.0 : 1.0);
}
`;

export const RIDGE_FRAGMENT = `#version 300 es
precision mediump float;
in vec4 v_color;
out vec4 o_color;
void main() {
  o_color = v_color;
}
`;

/** Soft spots of light: stars, moon, glints, lanterns and sparks. */
export const GLOW_VERTEX = `${COMMON}
layout(location = 0) in vec2 a_position;
layout(location = 1) in vec2 a_corner;
layout(location = 2) in vec3 a_color;
// How much, how fast (radians a second) and from where it twinkles.
layout(location = 3) in vec3 a_twinkle;
uniform float u_time;
uniform vec3 u_tint;
out vec3 v_color;
out vec2 v_corner;
void main() {
  v_corner = a_corner;
  gl_Position = place(a_position);
  v_color = a_color * u_tint * (1.0 - a_twinkle.x * (0.5 + 0.5 * sin(u_time * a_twinkle.y + a_twinkle.z)));
}
`;

export const GLOW_FRAGMENT = `#version 300 es
precision mediump float;
in vec3 v_color;
in vec2 v_corner;
out vec4 o_color;
void main() {
  float near = max(0.0, 1.0 - dot(v_corner, v_corner));
  o_color = vec4(v_color * (near * near), 1.0);
}
`;

/** The water: the picture above it, upside down. One row of vertices for each few lines of pixels. */
export const WATER_VERTEX = `#version 300 es
precision highp float;
uniform float u_time;
uniform float u_horizon;
uniform float u_rows;
out vec2 v_sample;
out float v_light;
void main() {
  float row = float(gl_VertexID >> 1) / u_rows;
  float side = (gl_VertexID & 1) == 0 ? -1.0 : 1.0;
  // Rows lie closer towards the horizon, where the ripples look smaller.
  float depth = row * row * 0.7 + row * 0.3;
  gl_Position = vec4(side, mix(u_horizon, -1.0, depth), 0.0, 1.0);
  float wave = sin(row * 61.0 - u_time * 1.7) + 0.6 * sin(row * 97.0 + u_time * 2.3);
  v_sample = vec2(side * 0.5 + 0.5 + wave * 0.0035 * row, depth * 0.78 + wave * 0.004 * row);
  v_light = (0.64 - 0.2 * depth) * (1.0 + 0.13 * wave * row);
}
`;

export const WATER_FRAGMENT = `#version 300 es
precision mediump float;
uniform sampler2D u_above;
in vec2 v_sample;
in float v_light;
out vec4 o_color;
void main() {
  o_color = vec4(texture(u_above, v_sample).rgb * vec3(0.84, 0.94, 1.0) * v_light, 1.0);
}
`;
