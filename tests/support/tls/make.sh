#!/bin/sh
# Makes the certificates again: an authority, and a server at 127.0.0.1 that it vouches for. They are good from 2020 to
# 2120 and secure nothing: the server's key is in the repository, the authority's is thrown away.
set -eu
cd "$(dirname "$0")"
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
: >"$scratch/index"
cat >"$scratch/config" <<END
[ca]
default_ca = authority
[authority]
database = $scratch/index
new_certs_dir = $scratch
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
[of_authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[of_server]
subjectAltName = IP:127.0.0.1
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth
END
request() { # key, name
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1" -subj "/CN=$2" -out "$scratch/csr"
}
sign() { # extensions, file, how
    openssl ca -batch -notext -config "$scratch/config" -startdate 20200101000000Z -enddate 21200101000000Z \
        -in "$scratch/csr" -extensions "$1" -out "$2" -keyfile "$scratch/authority.key" "$3" ${4+"$4"}
}
request "$scratch/authority.key" 'hotshelf test authority'
sign of_authority authority.pem -selfsign
request server.key 127.0.0.1
sign of_server server.pem -cert authority.pem
