#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# The guest's first process for nmi.sh: a sidecar, the NMI program on its maps, a flood; results go to the second serial port.
export PATH=/bin HOME=/
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec >/dev/ttyS1 2>&1
echo 0 >/proc/sys/kernel/printk
echo "kernel $(uname -r)"
mkdir /sys/fs/cgroup/flood
mkfifo /tmp/stop
touch /tmp/log /tmp/share
ringside run --scope cgroup:/flood --probe write --ring-samples 256k --queue 64M --format json >/tmp/records 2>/tmp/log &
sidecar=$!
until grep -q msg=ready /tmp/log || ! kill -0 $sidecar; do sleep 0.1; done
nmi_share </tmp/stop >/tmp/share 2>&1 &
share=$!
exec 3>/tmp/stop
until grep -q attached /tmp/share || ! kill -0 $share; do sleep 0.1; done
echo begin
sh -c 'echo 0 >/sys/fs/cgroup/flood/cgroup.procs; exec write_flood --count 300000 --kinds write --threads 4' >/tmp/report
echo end
exec 3>&-
wait $share
kill $sidecar
wait $sidecar
cat /tmp/share
# What the flood wrote, and its report.
flood=$(sed -n 's/.*"kinds":{"write":{"calls":\([0-9]*\).*/\1/p' /tmp/report)
echo "calls=$((flood + 1))"
echo "nmi_records=$(grep -c '"fd":-4711' /tmp/records)"
grep '"kind":"loss"' /tmp/records | grep '"probe"' | sed 's/.*"reason":"\([a-z_]*\)","count":\([0-9]*\).*/\1=\2/'
tail -n 2 /tmp/log
echo finished
sync
poweroff -f
