# Traefik where the official image has it, with an entry point and a port of its own.
FROM evenkeel/base:trixie
COPY --from=res/traefik:latest /usr/local/bin/traefik /usr/local/bin/traefik
EXPOSE 80
ENTRYPOINT ["/entrypoint.sh"]
CMD ["traefik"]
