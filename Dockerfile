# Runs the stand-alone server on CPU. GPU images, health checks and hardening notes: see README, "Deployment".
FROM node:20-bookworm-slim AS build
# For the native media plane; Node's headers are in the image.
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ make python3 \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY . .
RUN node scripts/build.mjs && node scripts/build-native.mjs --prebuild && npm prune --omit=dev --ignore-scripts

FROM node:20-bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends chromium fonts-noto-core \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/native/prebuilds ./native/prebuilds
USER node
EXPOSE 3001
# Chromium's sandbox needs user namespaces: run with a seccomp profile that allows them.
CMD ["node", "dist/demo/main.js", "--host", "0.0.0.0"]
