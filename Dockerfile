FROM python:3.11-slim

RUN useradd --create-home --uid 10001 raylane
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY common common
COPY producer producer
COPY worker worker
RUN pip install --no-cache-dir --constraint constraints.txt '.[worker,gateway,metrics]'

# Freed memory returns to the system instead of staying with each thread.
ENV MALLOC_ARENA_MAX=1 MALLOC_TRIM_THRESHOLD_=131072 ARROW_DEFAULT_MEMORY_POOL=system
USER raylane
# `docker run IMAGE raylane …` gives the producer's command line.
CMD ["raylane-worker", "run"]
