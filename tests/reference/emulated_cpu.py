"""Run a program of this machine on an emulated processor that has AVX-512 and AMX:

    pip install bochscpu-python                     # the emulator of Bochs as a library; a C compiler is needed too
    python tests/reference/emulated_cpu.py build/tests/kernels/test_ops
    python tests/reference/emulated_cpu.py build/core/bauta doctor

By this the kernels of the tiers avx512, avx512bf16 and amx are judged where no such processor is at hand. It is some 200 times
slower than the machine. EMULATED_CPU_WITHOUT_AMX=1: a processor with AVX-512 alone.

How: the program's memory is this process's own at the same addresses, its system calls are done by this process, its threads take turns whenever one
waits, its processes are processes that emulate as well. Signals do not arrive. Instructions for tiles are done by emulated_cpu.c.
"""
import ctypes
import hashlib
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time

PAGE = 4096
TABLES, ENTRY, PROGRAM, LOADER, STACK, FREE, END = (n << 32 for n in (0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x80))  # within 2^39: 512 pages of 1 GiB
STACK_BYTES = 64 << 20
FIXED, ANONYMOUS, PRIVATE, NO_REPLACE = 0x10, 0x20, 2, 0x100000
REGISTERS = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split()  # in their order of encoding
SWITCH, EXIT = object(), object()  # instead of a system call's result: another thread goes on; the program has ended
EAGAIN, ENOMEM, EEXIST, EINVAL, ENOSYS, ETIMEDOUT = 11, 12, 17, 22, 38, 110


def say(text):
    sys.stdout.flush()
    os.write(2, ("emulated_cpu: %s\n" % text).encode())


def compiled():
    """The library that goes before the emulator's, compiled once for each state of its source."""
    source = os.path.splitext(os.path.abspath(__file__))[0] + ".c"
    with open(source, "rb") as f:
        name = os.path.join(tempfile.gettempdir(), "emulated_cpu-%d-%s.so" % (os.getuid(), hashlib.sha256(f.read()).hexdigest()[:16]))
    if not os.path.exists(name):
        part = "%s.%d" % (name, os.getpid())
        subprocess.check_call([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O2", "-o", part, source, "-lm", "-ldl"])
        os.rename(part, name)
    return name


def begin(argv, env):
    """This script again, with that library before all others; the program itself is not to know of it."""
    env = dict(env, LD_PRELOAD=compiled(), EMULATED_CPU="1")
    os.execve(sys.executable, [sys.executable, os.path.abspath(__file__), *argv], env)


if os.environ.get("EMULATED_CPU") != "1":
    if len(sys.argv) < 2:
        sys.exit("usage: emulated_cpu.py PROGRAM [ARGUMENT ...]")
    begin(sys.argv[1:], os.environ)

sys.setdlopenflags(os.RTLD_NOW | os.RTLD_GLOBAL)
import bochscpu
import bochscpu.cpu
import bochscpu.memory

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
tiles = ctypes.CDLL(os.environ["LD_PRELOAD"])
if not tiles.emulated_open(os.fsencode(bochscpu._bochscpu.__file__)):
    sys.exit("emulated_cpu: the emulator's library is not where Python has it")


def raw(number, *a):
    r = libc.syscall(ctypes.c_long(number), *[ctypes.c_ulong(x & (1 << 64) - 1) for x in a])
    return -ctypes.get_errno() if r == -1 else r


def whole(n):
    return (n + PAGE - 1) & -PAGE


def taken(address, size):
    if raw(9, address, size, 3, FIXED | NO_REPLACE | ANONYMOUS | PRIVATE, -1, 0) != address:
        sys.exit("emulated_cpu: no memory at %#x" % address)


def strings(address):
    """A list of strings that ends in NULL."""
    found = []
    while ctypes.c_uint64.from_address(address).value:
        found.append(os.fsdecode(ctypes.string_at(ctypes.c_uint64.from_address(address).value)))
        address += 8
    return found


def load(path, base):
    """An ELF file that can lie anywhere: (entry, program headers, their size, their number, its loader)."""
    with open(path, "rb") as f:
        d = f.read()
    if d[:5] != b"\x7fELF\2" or struct.unpack_from("<HH", d, 16) != (3, 62):
        sys.exit("emulated_cpu: %s: not a position-independent program for x86-64" % path)
    entry, heads = struct.unpack_from("<QQ", d, 24)
    size, count = struct.unpack_from("<HH", d, 54)
    loader = None
    for i in range(count):
        kind, _, offset, at, _, stored, used, _ = struct.unpack_from("<IIQQQQQQ", d, heads + i * size)
        if kind == 3:
            loader = d[offset:offset + stored - 1].decode()
        if kind == 1:
            first = at & -PAGE
            taken(base + first, whole(at + used) - first)
            ctypes.memmove(base + at, d[offset:offset + stored], stored)
    return base + entry, base + heads, size, count, loader


class Thread:
    def __init__(self, number):
        self.number, self.ready, self.clear, self.address, self.deadline, self.late = number, True, 0, None, None, 0
        self.registers, self.base, self.mxcsr = {}, 0, 0x1f80


class Program:
    def __init__(self, argv, env):
        self.path = os.path.realpath(argv[0])
        entry, heads, size, count, loader = load(argv[0], PROGRAM)
        self.start = load(loader, LOADER)[0] if loader else entry
        self.free, self.code = FREE, None
        self.now = Thread(os.getpid())
        self.threads = [self.now]
        taken(STACK, STACK_BYTES)
        top = STACK + STACK_BYTES - 256

        def put(b):
            nonlocal top
            top -= len(b) + 1
            ctypes.memmove(top, b + b"\0", len(b) + 1)
            return top

        args = [put(os.fsencode(a)) for a in argv]
        texts = [put(os.fsencode("%s=%s" % (k, v))) for k, v in env.items()]
        about = [(3, heads), (4, size), (5, count), (6, PAGE), (7, LOADER if loader else 0), (8, 0), (9, entry),
                 (11, os.getuid()), (12, os.geteuid()), (13, os.getgid()), (14, os.getegid()), (15, put(b"x86_64")), (16, 0xbfebfbff),
                 (17, 100), (23, 0), (25, put(os.urandom(16))), (31, args[0]), (0, 0)]  # the auxiliary vector
        words = [len(args), *args, 0, *texts, 0] + [w for pair in about for w in pair]
        self.stack = (top - 8 * len(words)) & -16
        ctypes.memmove(self.stack, struct.pack("<%dQ" % len(words), *words), 8 * len(words))

    # ---- system calls ----

    def call(self, cpu):
        number, a = cpu.rax, [cpu.rdi, cpu.rsi, cpu.rdx, cpu.r10, cpu.r8, cpu.r9]
        special = self.SPECIAL.get(number)
        return special(self, cpu, *a) if special else raw(number, *a)

    def map(self, cpu, address, size, access, flags, file, offset):
        access = access & 3 | (1 if access else 0)  # to execute is the emulator's business
        if flags & FIXED:
            return raw(9, address, size, access, flags, file, offset)
        r = raw(9, address, size, access, flags | NO_REPLACE, file, offset) if FREE <= address < END - size else -EEXIST
        while r == -EEXIST:  # an address is never given twice, so that no translated code is stale
            address, self.free = self.free, self.free + whole(size) + PAGE
            r = raw(9, address, size, access, flags | NO_REPLACE | FIXED, file, offset)
        return r

    def protect(self, cpu, address, size, access, *_):
        return raw(10, address, size, access & 3 | (1 if access else 0))

    def own_state(self, cpu, code, value, *_):
        if code == 0x1002:  # where the thread's own data is
            base(cpu, value)
            return 0
        return 0 if code == 0x1023 else -EINVAL  # the use of tiles is granted

    def link(self, cpu, path, to, size, *_):
        if ctypes.string_at(path) != b"/proc/self/exe":
            return raw(89, path, to, size)
        text = os.fsencode(self.path)[:size]
        ctypes.memmove(to, text, len(text))
        return len(text)

    def link_at(self, cpu, folder, path, to, size, *_):
        return raw(267, folder, path, to, size) if ctypes.string_at(path) != b"/proc/self/exe" else self.link(cpu, path, to, size)

    def no_signals(self, size):
        def none(self, cpu, a, new, old, *_):
            if old:
                ctypes.memset(old, 0, size)
            return 0
        return none

    def execute(self, cpu, path, argv, env, *_):
        path, argv = os.fsdecode(ctypes.string_at(path)), strings(argv)
        if not os.access(path, os.X_OK):
            return -(2 if not os.path.exists(path) else 13)
        begin([path, *argv[1:]], dict(t.split("=", 1) for t in strings(env) if "=" in t))

    def end_thread(self, cpu, code, *_):
        if len(self.threads) == 1:
            return self.end(cpu, code)
        if self.now.clear:
            ctypes.c_uint32.from_address(self.now.clear).value = 0
            self.wake(self.now.clear, 1)
        self.threads.remove(self.now)
        return SWITCH

    def end(self, cpu, code, *_):
        self.code = code & 255
        return EXIT

    # ---- threads ----

    def clone(self, cpu, flags, stack, parent, child, own, *_):
        if not flags & 0x10000:
            return self.fork(cpu, stack, child if flags & 0x1000000 else 0)
        t = Thread(max(t.number for t in self.threads) + 1)
        t.registers = {r: getattr(cpu, r) for r in REGISTERS}
        t.registers["rax"], t.registers["rsp"] = 0, stack
        t.base, t.mxcsr = own if flags & 0x80000 else cpu.fs.base, cpu.state.mxcsr
        t.clear = child if flags & 0x200000 else 0
        for wanted, at in ((0x100000, parent), (0x1000000, child)):
            if flags & wanted:
                ctypes.c_uint32.from_address(at).value = t.number
        self.threads.append(t)
        return t.number

    def fork(self, cpu, stack=0, child=0):
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            self.now.number, self.threads = os.getpid(), [self.now]
            if stack:
                cpu.rsp = stack
            if child:
                ctypes.c_uint32.from_address(child).value = os.getpid()
        return pid

    def wait(self, address, deadline, late):
        self.now.address, self.now.deadline, self.now.late, self.now.ready = address, deadline, late, False
        return SWITCH

    def wake(self, address, most):
        waiting = [t for t in self.threads if not t.ready and t.address == address][:most]
        for t in waiting:
            t.ready, t.registers["rax"] = True, 0
        return len(waiting)

    def futex(self, cpu, address, operation, value, timeout, *_):
        do = operation & 0x7f
        if do in (1, 10):
            return self.wake(address, value & 0x7fffffff)
        if do not in (0, 9):
            return -ENOSYS
        if ctypes.c_uint32.from_address(address).value != value & 0xffffffff:
            return -EAGAIN
        deadline = None
        if timeout:
            deadline = moment(timeout) + (time.monotonic() if do == 0 else time.monotonic() - time.time() if operation & 0x100 else 0)
        return self.wait(address, deadline, -ETIMEDOUT)

    def sleep(self, cpu, span, *_):
        return self.wait(None, moment(span) + time.monotonic(), 0)

    def sleep_by(self, cpu, clock, flags, span, *_):
        return self.wait(None, moment(span) + (0 if flags & 1 else time.monotonic()), 0)

    def rest(self, cpu, *_):
        return SWITCH

    def switch(self, cpu):
        """The next thread that can goes on; where all wait, the first whose time is up. What a call does not keep (vectors, masks) is not kept."""
        state = cpu.state
        if self.now in self.threads:
            self.now.registers = {r: getattr(cpu, r) for r in REGISTERS}
            self.now.base, self.now.mxcsr = cpu.fs.base, state.mxcsr
            if self.now.ready:
                self.now.registers["rax"] = 0
        at = self.threads.index(self.now) + 1 if self.now in self.threads else 0
        order = self.threads[at:] + self.threads[:at]
        t = next((t for t in order if t.ready), None)
        if not t:
            t = min((t for t in order if t.deadline is not None), key=lambda t: t.deadline, default=None)
            if not t:
                say("every thread waits")
                self.code = 98
                return EXIT
            time.sleep(max(0, t.deadline - time.monotonic()))
            t.registers["rax"], t.ready = t.late & (1 << 64) - 1, True
        if state.mxcsr != t.mxcsr:
            state.mxcsr = t.mxcsr
            cpu.set_state_no_flush(state)
        for r, v in t.registers.items():
            setattr(cpu, r, v)
        base(cpu, t.base)
        self.now = t
        return SWITCH

    def plain_fork(self, cpu, *_):
        return self.fork(cpu)

    def own_number(self, *_):
        return self.now.number

    def nothing(self, *_):
        return 0

    def no_memory(self, *_):
        return -ENOMEM

    def unknown(self, *_):
        return -ENOSYS

    SPECIAL = {9: map, 10: protect, 12: nothing, 13: no_signals(None, 32), 14: no_signals(None, 8), 24: rest, 25: no_memory, 35: sleep, 56: clone,
               57: plain_fork, 58: plain_fork, 59: execute, 60: end_thread, 89: link, 131: nothing, 158: own_state, 186: own_number, 202: futex,
               218: own_number, 230: sleep_by, 231: end, 267: link_at, 273: nothing, 322: unknown, 334: unknown, 435: unknown}


def moment(address):
    seconds, rest = struct.unpack("<qq", ctypes.string_at(address, 16))
    return seconds + rest / 1e9


def die(number):
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def base(cpu, address):
    fs = cpu.fs
    fs.base = address
    cpu.fs = fs


# ---- the processor ----

def segment(selector, kind):
    s = bochscpu.Segment()
    s.present, s.selector, s.base, s.limit, s.attr = True, selector, 0, 0xffffffff, kind
    return s


def processor(session, p):
    """Long mode, user code, every address its own physical one, all vector state and tiles enabled."""
    taken(TABLES, 16 * PAGE)
    taken(ENTRY, PAGE)
    ctypes.memmove(ENTRY, b"\x48\x0f\x07", 3)  # a system call is done when it is made: what it reaches is its return
    for i, v in [(0, TABLES + PAGE | 7)] + [(512 + i, i << 30 | 0x87) for i in range(512)]:
        ctypes.c_uint64.from_address(TABLES + 8 * i).value = v
    s = bochscpu.State()
    bochscpu.cpu.set_long_mode(s)
    s.cr0, s.cr3, s.cr4, s.efer, s.xcr0 = 0x80050033, TABLES, 0x506a0 | 0x620, 0xd01, 0x602e7
    s.cs = segment(0x33, 0xa0fb)
    for name in ("ss", "ds", "es", "fs", "gs"):
        setattr(s, name, segment(0x2b, 0xc0f3))
    s.tr, s.ldtr = segment(0x40, 0x8b), segment(0, 0x82)
    s.star, s.lstar, s.sfmask = 0x23 << 48 | 0x10 << 32, ENTRY, 0x700
    s.mxcsr, s.mxcsr_mask, s.fpcw, s.fptw, s.rflags = 0x1f80, 0xffff, 0x37f, 0xffff, 0x202
    s.rip, s.rsp = p.start, p.stack
    session.cpu.state = s


def run(p):
    session = bochscpu.Session()
    session.missing_page_handler = lambda at: bochscpu.memory.page_insert(at & -PAGE, at & -PAGE)
    processor(session, p)
    after = None  # of an instruction for tiles: where the program goes on, and its stack

    def branch(session, _, kind, *__):
        if kind != bochscpu.InstructionType.IS_SYSCALL.value:
            return
        r = p.call(session.cpu)
        if r is SWITCH:
            r = p.switch(session.cpu)
        if r is EXIT:
            session.stop()
        elif r is not SWITCH:
            session.cpu.rax = r & (1 << 64) - 1

    def exception(session, _, kind, code):
        nonlocal after
        cpu = session.cpu
        if after:  # the emulator is on its way to a handler that does not exist
            return
        registers = (ctypes.c_uint64 * 16)(*[getattr(cpu, r) for r in REGISTERS])
        # 6: an unknown instruction; the address is already the next one's
        if kind != 6 or not tiles.emulated_tiles(ctypes.c_void_p(cpu.rip), registers):
            say("exception %d (code %d) before %#x, address %#x" % (kind, code, cpu.rip, cpu.cr2))
            die({0: signal.SIGFPE, 6: signal.SIGILL, 19: signal.SIGFPE}.get(kind, signal.SIGSEGV))
        after = cpu.rip, cpu.rsp
        session.stop()

    hook = bochscpu.Hook()
    hook.far_branch, hook.exception = branch, exception
    session.run([hook])
    while after:
        session.cpu.rip, session.cpu.rsp = after
        after = None
        session.run([hook])
    sys.stdout.flush()
    os._exit(99 if p.code is None else p.code)


env = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "EMULATED_CPU")}
env.setdefault("OMP_NUM_THREADS", "1")
run(Program(sys.argv[1:], env))
