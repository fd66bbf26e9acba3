# The page and the API of `inkwash play`, for one machine behind a proxy: see docs/play.md.
FROM python:3.12-slim
RUN pip install --no-cache-dir torch --index-url https://download.pytorch.org/whl/cpu
COPY . /src
RUN pip install --no-cache-dir "/src[play]" && rm -rf /src && useradd --create-home inkwash
USER inkwash
WORKDIR /home/inkwash
EXPOSE 7860
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/health', timeout=5)"]
# $INKWASH_TOKEN must be set: `docker run -e INKWASH_TOKEN=… -p 127.0.0.1:7860:7860 inkwash`
ENTRYPOINT ["inkwash", "play", "--no-open", "--host", "0.0.0.0"]
