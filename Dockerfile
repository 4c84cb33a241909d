# Runs the stand-alone server. docs/deployment.md says how to run it; README.md, "Licence", says what is in it under which licence.
#
#   docker build -t stream-kit-server .                       CPU alone
#   docker build -t stream-kit-server --build-arg GPU=vaapi . VAAPI and QSV drivers of AMD and Intel
#   docker build -t stream-kit-server --build-arg GPU=nvidia . for the NVIDIA container toolkit, which brings the driver
ARG NODE_IMAGE=node:24.22.3-bookworm-slim
ARG GPU=none

FROM ${NODE_IMAGE} AS build
# For the native media plane; Node's headers are in the image.
# Debian removes versions that are replaced: a pinned one could not be installed a month later.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ make python3 \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
# An image without the addon would carry media through JavaScript. ioredis, an optional peer, is for clusters; npm installs it in
# the version of the lock file. TypeScript is left by npm as an optional peer of what Puppeteer uses.
RUN node scripts/build.mjs \
 && node scripts/build-native.mjs --prebuild \
 && test -n "$(find native/prebuilds -name '*.node')" \
 && ioredis="$(node -p "require('./package-lock.json').packages['node_modules/ioredis'].version")" \
 && npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
 && npm install --no-save --save-prod --omit=dev --ignore-scripts --no-audit --no-fund "ioredis@${ioredis}" \
 && rm -r node_modules/typescript

FROM ${NODE_IMAGE} AS runtime-none
# More scripts by --build-arg FONTS="fonts-noto-core fonts-noto-cjk …".
ARG FONTS="fonts-liberation fonts-noto-cjk fonts-noto-color-emoji fonts-noto-core"
# tini, since Chromium leaves processes that PID 1 has to reap, and Node does not. tmux, for terminal sessions.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends chromium ${FONTS} tini tmux \
 && rm -rf /var/lib/apt/lists/*

FROM runtime-none AS runtime-vaapi
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
    intel-media-va-driver libdrm2 libegl-mesa0 libegl1 libgl1-mesa-dri libmfx-gen1.2 libva-drm2 libva2 libvulkan1 \
    mesa-va-drivers mesa-vulkan-drivers \
 && rm -rf /var/lib/apt/lists/*

FROM runtime-none AS runtime-nvidia
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends libegl1 libvulkan1 \
 && rm -rf /var/lib/apt/lists/*
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,graphics,utility,video

# hadolint ignore=DL3006
FROM runtime-${GPU}
ENV NODE_ENV=production PORT=3001
WORKDIR /app
COPY --from=build /app/package.json /app/LICENSE ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/docs/openapi.json ./docs/
COPY --from=build /app/native/prebuilds ./native/prebuilds
# A named volume takes the owner of its mount point: without one it is root's. For XDG_CACHE_HOME.
RUN install -d -o 1000 -g 1000 /cache
# The user node, by number: Kubernetes' runAsNonRoot knows no names. Chromium's sandbox is off for root, and it needs user
# namespaces, see docs/deployment.md.
USER 1000:1000
# HTTP, and the media of all viewers.
EXPOSE 3001/tcp 40000/udp
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# What follows the image in `docker run` is added, and the later of two values counts. It must say who may use the server:
# `--config` with a file that has validateRequest, or `--allow-anonymous`.
ENTRYPOINT ["tini", "--", "node", "dist/demo/main.js", "--host", "0.0.0.0", "--udp-port", "40000"]
