"""A connection of a given rate and latency between two network namespaces: packets of the kernel's own TCP, held back for as long as a cable would.

    python3 link.py NAMESPACE_A NAMESPACE_B RATE LATENCY MTU      # bits per second, seconds one way, bytes

It is what `tc … netem rate … delay …` does on a pair of veth devices, for kernels that were built without netem: two TUN devices, one in each
namespace, and this program between them. A packet leaves when those before it have left at the rate, and arrives after the latency. The queue
is as long as TCP fills it: nothing is lost. Needs root. Addresses are 10.77.0.1 and 10.77.0.2. Prints "ready", and ends when its stdin does.
"""

import collections
import fcntl
import os
import select
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
# a route's first window is ten segments; with large ones it is as many bytes as ten of Ethernet's would be
WINDOW_BYTES = 10 * 1448


def tun(name: str) -> int:
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def ip(*args: str) -> None:
    subprocess.run(["ip", *args], check=True)


def main() -> None:
    names, rate, latency, mtu = sys.argv[1:3], float(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])
    device = f"link{os.getpid() % 10000}"
    fds = []
    for end, namespace in enumerate(names):
        fds.append(tun(f"{device}{'ab'[end]}"))
        own = ["-n", namespace]
        ip("link", "set", f"{device}{'ab'[end]}", "netns", namespace)
        ip(*own, "link", "set", f"{device}{'ab'[end]}", "name", "link0", "mtu", str(mtu), "up", "txqueuelen", "20000")
        ip(*own, "address", "add", f"10.77.0.{end + 1}/24", "dev", "link0")
        window = str(max(2, round(WINDOW_BYTES / (mtu - 40))))
        ip(*own, "route", "change", "10.77.0.0/24", "dev", "link0", "src", f"10.77.0.{end + 1}", "initcwnd", window)
    print("ready", flush=True)

    queues = [collections.deque(), collections.deque()]  # (due, packet), for the other end
    free = [0.0, 0.0]  # when the cable is free again
    while True:
        now = time.monotonic()
        for end, queue in enumerate(queues):
            while queue and queue[0][0] <= now:
                try:
                    os.write(fds[1 - end], queue[0][1])
                except BlockingIOError:
                    break
                queue.popleft()
        due = min((queue[0][0] for queue in queues if queue), default=now + 1)
        ready, _, _ = select.select([*fds, 0], [], [], max(0, due - time.monotonic()))
        if 0 in ready and not os.read(0, 1):
            return
        for end, fd in enumerate(fds):
            if fd not in ready:
                continue
            for _ in range(64):
                try:
                    packet = os.read(fd, mtu)
                except BlockingIOError:
                    break
                except OSError:  # its namespace is gone
                    return
                now = time.monotonic()
                free[end] = max(now, free[end]) + 8 * len(packet) / rate
                queues[end].append((free[end] + latency, packet))


main()
