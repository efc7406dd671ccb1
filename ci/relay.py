"""A cable with a delay: each IP packet that goes into one of two TUN devices comes out of the other
after a stated time. With a stated rate, packets follow one another at that rate at most; those that
wait stay in the queue of the device, and none is lost.

In: `relay.py DEVICE DEVICE MILLISECONDS [MBIT]`, as root: the names of the devices, the delay of one
way, the rate of each way. Out: the devices, which the caller gives to the hosts. They are gone when
this program ends, and this program ends when they are gone.
"""

import errno
import fcntl
import os
import select
import struct
import sys
import time
from collections import deque

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000

# How many seconds of a rate are taken from a device before they are due.
AHEAD = 0.002

# The most packets that are read from one device before the other has its turn.
TURN = 32


class End:
    """One end of the cable, and the packets that went in there, each with the time when it is due
    at the other end."""

    def __init__(self, name):
        self.file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        # The kernel keeps 16 bytes for a name with its end, and the rest of 40 for other calls.
        request = struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI)
        fcntl.ioctl(self.file, TUNSETIFF, request)
        self.packets = deque()
        self.free = 0.0

    def fileno(self):
        return self.file

    def read(self, delay, seconds_a_byte):
        for _ in range(TURN):
            try:
                packet = os.read(self.file, 1 << 16)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.EBADFD:
                    sys.exit()  # the device is gone
                return  # the device is down
            start = max(self.free, time.perf_counter())
            self.free = start + len(packet) * seconds_a_byte
            self.packets.append((self.free + delay, packet))

    def write(self, packet):
        try:
            os.write(self.file, packet)
        except OSError:
            pass  # a device that is down, or full, takes nothing: the packet is lost


def relay(ends, delay, seconds_a_byte):
    while True:
        now = time.perf_counter()
        for end, other in (ends, ends[::-1]):
            while end.packets and end.packets[0][0] <= now:
                other.write(end.packets.popleft()[1])
        waiting = [end.packets[0][0] for end in ends if end.packets]
        waiting += [end.free - AHEAD for end in ends if end.free - AHEAD > now]
        timeout = max(min(waiting) - time.perf_counter(), 0) if waiting else None
        reading = [end for end in ends if end.free - AHEAD <= now]
        for end in select.select(reading, [], [], timeout)[0]:
            end.read(delay, seconds_a_byte)


def number(text, what):
    try:
        value = float(text)
        if 0 <= value < float("inf"):
            return value
    except ValueError:
        pass
    sys.exit(f"relay.py: {what} is `{text}`, and expected is a number from 0 on")


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit("usage: relay.py DEVICE DEVICE MILLISECONDS [MBIT]")
    names = sys.argv[1:3]
    delay = number(sys.argv[3], "the delay in milliseconds") / 1e3
    rate = number(sys.argv[4], "the rate in Mbit/s") * 1e6 if len(sys.argv) == 5 else 0
    # The kernel wakes who sleeps up to 50 us late, unless told to be exact.
    with open("/proc/self/timerslack_ns", "w") as slack:
        slack.write("1")
    try:
        ends = [End(name) for name in names]
    except OSError as error:
        sys.exit(f"relay.py: the devices {names} are refused, it takes root: {error}")
    relay(ends, delay, 8 / rate if rate else 0.0)
