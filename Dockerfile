# Builds SmartLine and puts the one binary into an image without a shell. Compiling takes five minutes on two cores and 2.3 GB
# of memory.
#   docker build --build-arg COMMIT="$(git rev-parse HEAD)" -t smartline .

FROM rust:1.95-bookworm AS build
WORKDIR /src

# Dependencies first, under a stub: this layer is built anew only when one of the two Cargo files changes.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src && echo 'fn main() {}' > src/main.rs && touch src/lib.rs \
 && cargo build --release --locked \
 && cargo clean --release --locked --package smartline && rm -r src

# The migrations are embedded in the binary; build.rs watches them.
COPY build.rs ./
COPY migrations migrations
COPY src src
COPY examples/flows examples/flows
RUN cargo build --release --locked && mkdir /spool

# glibc, CA certificates, a user without rights; nothing else.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="SmartLine" \
      org.opencontainers.image.description="Stripe, Twilio and Plivo webhooks, verified, kept once and answered" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${COMMIT}"
COPY --from=build /src/target/release/smartline /app/smartline
# Where calls wait while the database is away. As durable as what is mounted here; a new volume takes over the owner.
COPY --from=build --chown=65532:65532 /spool /home/nonroot/spool
USER nonroot
ENV HOST=0.0.0.0 SMARTLINE_SPOOL_DIR=/home/nonroot/spool
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["/app/smartline", "healthcheck"]
CMD ["/app/smartline", "serve"]
