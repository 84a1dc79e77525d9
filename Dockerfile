# One image for every process; docker-compose.yml says which command each service runs.
FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements.txt .
RUN python -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY syndication syndication
COPY tasks tasks
COPY templates templates
RUN /opt/venv/bin/pip install --no-cache-dir "setuptools>=77" && /opt/venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim
COPY --from=build /opt/venv /opt/venv
RUN useradd --uid 10001 --create-home syndication && install -d -o syndication -g syndication -m 0700 /data /data/dkim
USER syndication
WORKDIR /data
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 SYNDICATION_DATA_DIR=/data
EXPOSE 8000
