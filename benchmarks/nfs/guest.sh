#!/bin/bash
# The first process of the guest: a server, two hosts, and what is tried on them.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1
exec >"$work/guest.log" 2>&1
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /dev/shm
ip link set lo up; hostname server
mkdir -p /run/mod/lib /run/exp /run/state && ln -s /usr/lib/uml/modules /run/mod/lib/modules
for m in nfsd nfs nfsv4 ext4 veth; do modprobe -d /run/mod $m; done
mount -t ext4 /dev/ubdb /run/exp || mount -t ext4 /dev/ubd1 /run/exp
mount --bind /run/state /var/lib/nfs && mkdir -p /var/lib/nfs/{v4recovery,rpc_pipefs,nfsdcld} && touch /var/lib/nfs/{etab,rmtab,state}
mount -t nfsd nfsd /proc/fs/nfsd; chmod 777 /run/exp
exportfs -o rw,no_root_squash,fsid=0,insecure,sync,no_subtree_check '*:/run/exp'
echo 10 >/proc/fs/nfsd/nfsv4leasetime; echo 10 >/proc/fs/nfsd/nfsv4gracetime # seconds, the fewest; 90 is usual
rpc.mountd -N 3 --no-udp; rpc.nfsd -N 3 -V 4.2 --no-udp 4; sleep 1
for n in 1 2; do
	ip netns add h$n; ip link add v$n type veth peer name w$n; ip link set w$n netns h$n
	ip addr add 10.9.$n.1/24 dev v$n; ip link set v$n up
	ip netns exec h$n ip addr add 10.9.$n.2/24 dev w$n; ip netns exec h$n ip link set w$n up; ip netns exec h$n ip link set lo up
	touch /run/uts$n; unshare --uts=/run/uts$n hostname host$n; mkdir -p /run/m$n
	nsenter --net=/run/netns/h$n --uts=/run/uts$n mount.nfs 10.9.$n.1:/ /run/m$n -o vers=4.2,nosharecache
done
grep nfs4 /proc/mounts
on() { n=$1; shift; nsenter --net=/run/netns/h$n --uts=/run/uts$n "$python" "$here/host.py" "$@" "/run/m$n" "$work/rows.jsonl"; }
sign() { rm -rf /run/sign; mkdir -p /run/sign; }

echo "a reader of run.json, which the other host replaces"
for pause in 0 0.2; do for kind in once blind looking; do
	sign; on 2 read $kind $pause & on 1 replace $pause; wait
done; done
echo "eight processes on two hosts want one run"
sign; for n in 1 2 1 2 1 2 1 2; do on $n want & done; wait; on 1 wanted
echo "a run that the other host makes, after a look that did not find it"
sign; on 2 look & on 1 make; wait
echo "a host is cut off for longer than its lease"
sign; on 1 hold & while [ ! -e /run/sign/held ]; do sleep 0.1; done
ip link set v1 down; on 2 take & sleep 25; ip link set v1 up; while [ ! -e /run/sign/taken ]; do sleep 0.1; done
touch /run/sign/back; wait
echo "two launches, one on each host"
sign; on 1 launch & on 2 launch; wait; on 1 launched
sync; echo DONE
echo o >/proc/sysrq-trigger || halt -f
sleep 5
