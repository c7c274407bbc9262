# SpamAssassin's spamd for compose.yaml, as Debian has it: local rules, no account of the mail server's.
ARG BASE=debian:bookworm-slim
FROM $BASE
ARG SNAPSHOT=
ARG SOURCE_DATE_EPOCH=
COPY deploy/container/spamd.sh deploy/container/sources.sh deploy/container/settle.sh /tmp/step/
RUN /tmp/step/spamd.sh && rm -rf /tmp/step
EXPOSE 783
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["spamc", "-K"]
# Networks of Docker only: compose publishes no port of it. It tells each rule's points (conf/README.md, "The spam filter").
ENTRYPOINT ["spamd", "--listen=0.0.0.0:783", "--allowed-ips=127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16", \
  "--max-children=5", "--username=debian-spamd", "--helper-home-dir=/var/lib/spamassassin", "--syslog=stderr", "--nouser-config", \
  "--allow-tell", "--cf=add_header all Status _YESNO_, score=_SCORE_ required=_REQD_ tests=_TESTSSCORES_ autolearn=_AUTOLEARN_ version=_VERSION_"]
