#!/usr/bin/env bash
# The role of the service, an ordinary one, and its database. The image runs this once, when its volume is empty.
set -euo pipefail

psql --no-psqlrc --username postgres --dbname postgres \
    --set ON_ERROR_STOP=1 --set password="$POSTGRES_PASSWORD" <<'SQL'
CREATE ROLE hotshelf LOGIN PASSWORD :'password';
CREATE DATABASE hotshelf OWNER hotshelf TEMPLATE template0 ENCODING 'UTF8';
SQL
