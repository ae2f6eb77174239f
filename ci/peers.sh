#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# peers.sh - builds the optional peers: build/peers/gvisor.so, the Go original as a plug-in, from
# translators/gvisor/ and Debian's packages of Go and gVisor.
#
# Without these packages nothing is built, which is no failure: the command that installs them is
# printed. Nothing is fetched: Go finds gVisor in Debian's tree of Go sources.
set -u

cd "$(dirname "$0")/.." || exit 1
sources=/usr/share/gocode

if ! DEPS=no ci/deps.sh peers || ! [ -d "$sources/src/gvisor.dev/gvisor" ]; then
	echo "make peers: skipped, the Go original is optional" >&2
	exit 0
fi

version=$(dpkg-query -W -f='${Version}' golang-gvisor-gvisor-dev 2>/dev/null)
mkdir -p build/peers
out=$PWD/build/peers/gvisor.so
cd translators/gvisor || exit 1
export GO111MODULE=off GOPATH=$sources GOFLAGS='' GOPROXY=off CGO_ENABLED=1
export GOCACHE="${GOCACHE:-$(dirname "$out")/cache}"
export CGO_CFLAGS="-g -O2 -DGVISOR_VERSION=\"${version:-unknown}\""
go build -buildmode=c-shared -o "$out.new" . || exit 1
rm -f "$out.h"
mv -f "$out.new" "$out"
rm -f "${out%.so}.h" "$out.new.h"
echo "build/peers/gvisor.so"
