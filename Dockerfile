# Everything but data and results: docker build -t wagf .   (book/gpu.md)
FROM python:3.11-slim-bookworm
ARG DEVICE=cpu
ENV PIP_NO_CACHE_DIR=1
RUN apt-get update && apt-get install -y --no-install-recommends git make && rm -rf /var/lib/apt/lists/*
WORKDIR /wagf
COPY . .
RUN make env-run DEVICE=${DEVICE}
CMD ["make"]
