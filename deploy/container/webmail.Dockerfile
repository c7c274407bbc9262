# Roundcube for compose.yaml and stack.yaml: docker build -f deploy/container/webmail.Dockerfile -t posthorn-webmail .
ARG BASE=debian:bookworm-slim
FROM $BASE
ARG SNAPSHOT=
ARG SOURCE_DATE_EPOCH=
COPY deploy/container/webmail.sh deploy/container/sources.sh deploy/container/settle.sh /tmp/step/
RUN /tmp/step/webmail.sh && rm -rf /tmp/step
COPY deploy/roundcube/setup deploy/roundcube/serve /usr/local/share/roundcube/
COPY deploy/container/webmail-entrypoint.sh /usr/local/bin/
VOLUME ["/var/lib/webmail"]
EXPOSE 443
ENTRYPOINT ["/usr/local/bin/webmail-entrypoint.sh"]
