# syntax=docker/dockerfile:1.17
# The images are pinned to versions. To pin them to their contents, append the digest that
# `docker buildx imagetools inspect debian:12.12-slim` prints: debian:12.12-slim@sha256:…

# --- build: the image brings gcc and libc, which is all that SQLite and ring are compiled with ------------------------
FROM rust:1.95.0-slim-bookworm AS build
# rust-toolchain.toml asks for rustup's current "stable" with its linters; the image's own compiler does, and without
# this, each build would download another one.
ENV RUSTUP_TOOLCHAIN=$RUST_VERSION
WORKDIR /src
COPY . .
# What was downloaded and compiled stays in cache mounts, so that a change of the code compiles the code alone. They are
# no part of any layer: the binary is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --bin hotshelf && \
    install -D target/release/hotshelf /out/hotshelf

# --- run --------------------------------------------------------------------------------------------------------------
FROM debian:12.12-slim
# The certificates are for rediss:// and smtps://.
RUN apt-get update && \
    apt-get install --yes --no-install-recommends ca-certificates && \
    rm -rf /var/lib/apt/lists/* && \
    groupadd --system --gid 10001 hotshelf && \
    useradd --system --uid 10001 --gid hotshelf --no-create-home --home-dir /data --shell /usr/sbin/nologin \
        hotshelf && \
    install --directory --mode=0700 --owner=hotshelf --group=hotshelf /data
COPY --from=build /out/hotshelf /usr/local/bin/hotshelf

# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
# hotshelf.toml is looked for here, too.
WORKDIR /data
# The owner of the directory becomes the owner of a new volume: after it was made, not before.
VOLUME /data
# In a container the loopback address is that of the container alone.
ENV HTTP_HOST=0.0.0.0 HTTP_PORT=3000 DB_PATH=/data/products.db
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/hotshelf", "health"]
# As a list: the service is process 1 itself and gets the SIGTERM of `docker stop`.
ENTRYPOINT ["/usr/local/bin/hotshelf"]
CMD ["serve"]
