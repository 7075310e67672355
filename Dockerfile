FROM python:3.11-slim

RUN useradd --create-home --uid 10001 raylane
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY common common
COPY producer producer
COPY worker worker
RUN pip install --no-cache-dir --constraint constraints.txt '.[worker]'

USER raylane
# `docker run IMAGE raylane …` gives the producer's command line.
CMD ["raylane-worker", "run"]
