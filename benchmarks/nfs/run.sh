#!/bin/bash
# Two hosts on one NFS: a Linux kernel in user mode that serves a folder, and two network namespaces in it, each with a
# name, an address and a mount of its own (an NFS client of its own, by nosharecache). Debian: apt-get install
# user-mode-linux nfs-kernel-server nfs-common iproute2 kmod; as root. The guest's root is this machine's, read and write.
#
#   benchmarks/nfs/run.sh FOLDER [PYTHON]     logs and a disk image go to FOLDER; the figures are FOLDER/rows.jsonl
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" && work=$(cd "$1" && pwd) && python=${2:-$(command -v python3)}
rm -f "$work"/export.img "$work"/rows.jsonl "$work"/guest.log
truncate -s 512M "$work/export.img" && mkfs.ext4 -q -F "$work/export.img"
mkdir -p "$work/umld"
# What the kernel does not know of its command line is the environment of the first process.
timeout "${SECONDS_AT_MOST:-900}" linux.uml mem=1500M root=/dev/root rootfstype=hostfs rootflags=/ rw \
	init="$here/guest.sh" ubd1="$work/export.img" con=null con0=fd:0,fd:1 ssl=null uml_dir="$work/umld" quiet \
	work="$work" here="$here" python="$python" </dev/null >"$work/boot.log" 2>&1 || true
grep -q DONE "$work/guest.log" && cat "$work/rows.jsonl"
