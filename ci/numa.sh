#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# numa.sh - runs what wants two NUMA nodes in a guest that has them: QEMU emulates 2 nodes of 4 CPUs
# (2 cores of 2 threads each) at distance 21.
#
# The processor is emulated (tcg), never virtualized: that works on every machine, also inside a
# guest, and behaviour is all that is asked; times are not, and each figure is flagged. The guest is
# Debian's kernel and an initramfs with busybox, the programs under test and the libraries that they
# load, since hwloc cannot be linked statically. Everything leaves through emulated serial ports:
# the kernel has their driver built in, whereas disks, 9p and virtio are modules, and text comes out
# in order up to the moment of a crash.
#
# One thread emulates all eight processors in turn. With a thread for each, QEMU 7.2 loses an
# interrupt from one to another now and then: 1 boot of 15 never ended, nor did some whole runs, the
# kernel reporting "soft lockup". In turn they are no slower on two CPUs, since one that spins (pause)
# or halts hands over at once.
#
#   ci/numa.sh [UNIT_TEST...]   which unit tests it runs, instead of those that want two nodes
#
# Environment: NUMA_KERNEL the kernel's image, NUMA_LIMIT seconds for the guest, DEPS, MAKE, JOBS.
# Left behind: build/numa/results (what the guest measured), tap.log, console.log.
# Exit 0 all passed; 1 not; 77 there is no QEMU, or no kernel to be had.
set -u

cd "$(dirname "$0")/.." || exit 1
make=${MAKE:-make}
limit=${NUMA_LIMIT:-320}
dir=build/numa
root=$dir/root
plugins=build/release/tests/plugins
kernel_package=linux-image-cloud-amd64

# The unit tests of what places threads and memory.
units=(node_choice numa memory_file placement topology reservation runner)
[ $# -eq 0 ] || units=("$@")
programs=("${units[@]/%/_test}")
programs=("${programs[@]/#/build/debug/tests/unit/}")

skip()
{
	echo "numa: SKIP, $1"
	exit 77
}

[ "$(uname -m)" = x86_64 ] || skip "the guest is an x86_64"
ci/deps.sh numa || skip "what the guest needs is missing (above)"

# The path of an installed kernel, or of one that is fetched and unpacked here, not installed: this
# machine shall go on booting its own.
find_kernel()
{
	local package image

	image=$(find /boot -name 'vmlinuz-*-cloud-amd64' 2>/dev/null | sort -V | tail -n 1)
	if [ -z "$image" ] && [ "${DEPS:-yes}" != no ]; then
		package=$(apt-cache depends "$kernel_package" 2>/dev/null |
			sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1)
		mkdir -p build/numa-kernel
		[ -z "$package" ] || (cd build/numa-kernel && { [ -d boot ] ||
			{ apt-get -q download "$package" && dpkg-deb -x ./*.deb .; }; }) >&2
		image=$(find build/numa-kernel -name 'vmlinuz-*' 2>/dev/null | head -n 1)
	fi
	echo "$image"
}

# copy FILE PLACE: a program, without its debugging symbols, and the libraries that it loads.
copy()
{
	local library

	install -D -m 755 "$1" "$root/$2"
	strip --strip-debug "$root/$2" 2>/dev/null
	ldd "$1" | grep -o '/[^ )]*' | while read -r library; do
		[ -e "$root$library" ] || install -D -m 755 "$library" "$root$library"
	done
}

make_initramfs()
{
	local program

	rm -rf $dir
	mkdir -p $root/{bin,dev,proc,sys,tmp,faultline/tests}
	install -m 755 "$(command -v busybox)" $root/bin/busybox
	install -m 755 tests/numa/init $root/init
	copy "$(command -v bash)" bin/bash
	copy "$(command -v jq)" bin/jq
	copy faultline faultline/faultline
	for program in "${programs[@]}"; do
		copy "$program" "faultline/$program"
	done
	install -D -m 644 -t $root/faultline/$plugins $plugins/wrong_node.so
	cp -r tests/cli tests/numa $root/faultline/tests
	(cd $root && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1) >$dir/initramfs
}

# Starts the guest, and prints what it says, to its end: it turns itself off, or timeout(1) ends it.
run_guest()
{
	local port ports=() guest

	for port in console.log tap.log results.tgz; do
		: >"$dir/$port"
		ports+=(-serial "file:$dir/$port")
	done
	# Intel's way to tell topology is the one that carries threads of a core here. Five-level
	# page tables would give addresses that most machines do not have.
	timeout -k 5 "$limit" qemu-system-x86_64 -accel tcg,thread=single \
		-cpu max,vendor=GenuineIntel,la57=off -nodefaults -no-user-config -display none \
		-no-reboot -m 2048 -smp 8,sockets=2,cores=2,threads=2 \
		-object memory-backend-ram,id=m0,size=1024M \
		-object memory-backend-ram,id=m1,size=1024M \
		-numa node,nodeid=0,cpus=0-3,memdev=m0 -numa node,nodeid=1,cpus=4-7,memdev=m1 \
		-numa dist,src=0,dst=1,val=21 -kernel "$kernel" -initrd $dir/initramfs \
		-append "console=ttyS0 panic=-1" "${ports[@]}" </dev/null &
	guest=$!
	tail -n +1 -s 0.2 -f --pid="$guest" $dir/tap.log
	wait "$guest"
}

kernel=${NUMA_KERNEL:-$(find_kernel)}
[ -n "$kernel" ] || skip "there is no kernel for the guest: apt-get install $kernel_package"
$make -s -j"${JOBS:-$(nproc)}" all || exit 1
$make -s -j"${JOBS:-$(nproc)}" V=debug "${programs[@]}" || exit 1
make_initramfs || exit 1
run_guest
rc=$?
if ! grep -q '^# the guest ended' $dir/tap.log; then
	echo "not ok 0 - the guest did not come to its end (qemu: $rc, within $limit s)"
	tail -n 20 $dir/console.log
fi | tee -a $dir/tap.log
mkdir -p $dir/results
[ ! -s $dir/results.tgz ] || tar -C $dir/results -xzf $dir/results.tgz
passed=$(grep -c '^ok [0-9]* -' $dir/tap.log)
failed=$(grep -c '^not ok [0-9]* -' $dir/tap.log)
echo "numa: ran, $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
