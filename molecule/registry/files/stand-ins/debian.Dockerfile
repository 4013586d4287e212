# A bare Debian, made from packages.
FROM evenkeel/base:trixie
