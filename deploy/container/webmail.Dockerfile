# Roundcube for compose.yaml and stack.yaml: docker build -f deploy/container/webmail.Dockerfile -t posthorn-webmail .
FROM debian:bookworm-slim
COPY deploy/container/webmail.sh /tmp/webmail.sh
RUN /tmp/webmail.sh && rm /tmp/webmail.sh
COPY deploy/roundcube/setup deploy/roundcube/serve /usr/local/share/roundcube/
COPY deploy/container/webmail-entrypoint.sh /usr/local/bin/
VOLUME ["/var/lib/webmail"]
EXPOSE 443
ENTRYPOINT ["/usr/local/bin/webmail-entrypoint.sh"]
