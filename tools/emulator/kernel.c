/* The least kernel that runs one static Linux program: one thread, ring 0, no files. It answers the system calls that libc
   and Rust's test harness make, writes what the program prints to the serial port, and switches the emulator off at exit.

   Memory: this kernel at 1 MB; the program where it was linked, or at 256 MB if it is position independent; above it the
   heap (brk), then anonymous maps upwards, the stack below STACK_TOP, and the untouched image above STACK_TOP. */
#include <asm/unistd_64.h>
#include <elf.h>
#include <errno.h>

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long i64;

enum { MB = 1 << 20, HEAP_SIZE = 128 * MB, STACK_SIZE = 16 * MB, STACK_TOP = 0x50000000, PIE_BASE = 256 * MB };

/* ---- the machine ---------------------------------------------------------------------------------------------------- */
enum { COM1 = 0x3F8, LINE_STATUS = COM1 + 5, ROOM = 0x20, ALL_SENT = 0x40, SHUTDOWN_PORT = 0x8900 };
enum { MSR_STAR = 0xC0000081, MSR_LSTAR, MSR_FMASK = 0xC0000084, MSR_FS_BASE = 0xC0000100 };

static void outb(unsigned short port, u8 v) { __asm__ volatile("outb %0,%1" ::"a"(v), "Nd"(port)); }
static u8 inb(unsigned short port) { u8 v; __asm__ volatile("inb %1,%0" : "=a"(v) : "Nd"(port)); return v; }
static void wrmsr(u32 msr, u64 v) { __asm__ volatile("wrmsr" ::"c"(msr), "a"((u32)v), "d"((u32)(v >> 32))); }
static u64 rdtsc(void) { u32 lo, hi; __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi)); return lo | (u64)hi << 32; }

void *memset(void *p, int c, u64 n) { for (u8 *q = p; n--;) *q++ = c; return p; }
void *memcpy(void *to, const void *from, u64 n) { const u8 *f = from; for (u8 *t = to; n--;) *t++ = *f++; return to; }
static u64 round_up(u64 v, u64 to) { return (v + to - 1) & -to; }

static void put(u8 c) { while (!(inb(LINE_STATUS) & ROOM)) {} outb(COM1, c); }
static void print(const char *s) { while (*s) put(*s++); }
static void print_hex(u64 v) { print("0x"); for (int i = 60; i >= 0; i -= 4) put("0123456789abcdef"[v >> i & 15]); }

static void stop(u64 code) {
    print("\n[exit "); print_hex(code); print("]\n");
    while (!(inb(LINE_STATUS) & ALL_SENT)) {}
    for (const char *s = "Shutdown"; *s; s++) outb(SHUTDOWN_PORT, *s);
    for (;;) __asm__ volatile("hlt");
}

void do_fault(u64 vector, u64 error, u64 rip, u64 cr2) {
    print("\n[fault "); print_hex(vector); print(" error "); print_hex(error);
    print(" at "); print_hex(rip); print(" address "); print_hex(cr2); print("]\n");
    stop(139);
}

/* ---- system calls ---------------------------------------------------------------------------------------------------- */
static u64 heap_start, heap_end, next_map;

static i64 sys_write(u64 fd, const u8 *p, u64 n) {
    if (fd != 1 && fd != 2) return -EBADF;
    for (u64 i = 0; i < n; i++) put(p[i]);
    return n;
}

static i64 sys_brk(u64 to) {
    if (to < heap_start || to >= heap_start + HEAP_SIZE) return heap_end;
    if (to > heap_end) memset((void *)heap_end, 0, to - heap_end);
    return heap_end = to;
}

static i64 sys_mmap(u64 at, u64 length, u64 flags) {
    enum { FIXED = 0x10, ANONYMOUS = 0x20 };
    if (!(flags & ANONYMOUS)) return -ENODEV;
    if (!(flags & FIXED)) {
        if (next_map + round_up(length, 4096) > STACK_TOP - STACK_SIZE) return -ENOMEM;
        at = next_map;
        next_map += round_up(length, 4096);
    }
    memset((void *)at, 0, length);
    return at;
}

i64 do_syscall(u64 number, u64 a, u64 b, u64 c, u64 d) {
    switch (number) {
    case __NR_write: return sys_write(a, (u8 *)b, c);
    case __NR_writev: {
        i64 sum = 0;
        for (u64 *v = (u64 *)b; c--; v += 2) sum += sys_write(a, (u8 *)v[0], v[1]);
        return sum;
    }
    case __NR_brk: return sys_brk(a);
    case __NR_mmap: return sys_mmap(a, b, d);
    case __NR_arch_prctl: /* thread-local storage; nothing else is asked for */
        if (a != 0x1002) return -EINVAL;
        wrmsr(MSR_FS_BASE, b);
        return 0;
    case __NR_clock_gettime: ((u64 *)b)[0] = rdtsc() / 1000000000; ((u64 *)b)[1] = rdtsc() % 1000000000; return 0;
    case __NR_getrandom: for (u64 i = 0; i < b; i++) ((u8 *)a)[i] = i * 37 + 11; return b; /* the same in every run */
    case __NR_sched_getaffinity: memset((void *)c, 0, b); *(u8 *)c = 1; return 8;            /* one processor */
    case __NR_exit: case __NR_exit_group: stop(a);
    case __NR_kill: case __NR_tkill: case __NR_tgkill: print("\n[killed by itself]"); stop(134);
    case __NR_getpid: case __NR_gettid: case __NR_set_tid_address: return 1;
    case __NR_clone: return -EAGAIN; /* no threads: the test harness then runs the tests in place */
    case __NR_ioctl: return -ENOTTY;
    case __NR_open: case __NR_openat: case __NR_stat: case __NR_fstat: case __NR_newfstatat: case __NR_statx:
    case __NR_readlink: case __NR_readlinkat: case __NR_access: case __NR_faccessat2: case __NR_getcwd: return -ENOENT;
    case __NR_mprotect: case __NR_munmap: case __NR_madvise: case __NR_rt_sigaction: case __NR_rt_sigprocmask:
    case __NR_sigaltstack: case __NR_futex: case __NR_poll: case __NR_ppoll: case __NR_sched_yield:
    case __NR_set_robust_list: case __NR_close: return 0; /* granted, nothing to do */
    default: return -ENOSYS;
    }
}

/* ---- start ----------------------------------------------------------------------------------------------------------- */
extern u64 fault_table[20];
extern void syscall_entry(void);

static void set_up_machine(void) {
    static struct { u32 word[4]; } gates[20] __attribute__((aligned(16)));
    static struct { unsigned short limit; void *base; } __attribute__((packed)) idt = {sizeof gates - 1, gates};
    for (int i = 0; i < 20; i++) {
        u64 h = fault_table[i];
        gates[i].word[0] = 8 << 16 | (h & 0xFFFF);
        gates[i].word[1] = (h & 0xFFFF0000) | 0x8E00;
        gates[i].word[2] = h >> 32;
    }
    __asm__ volatile("lidt %0" ::"m"(idt));
    wrmsr(MSR_STAR, 8ul << 32);
    wrmsr(MSR_LSTAR, (u64)syscall_entry);
    wrmsr(MSR_FMASK, 0x200);
    outb(COM1 + 1, 0); outb(COM1 + 3, 0x80); outb(COM1, 1); outb(COM1 + 1, 0); outb(COM1 + 3, 3); outb(COM1 + 2, 0xC7);
}

/* Copies the segments of the image to their places; returns the entry point and fills what the auxiliary vector needs. */
static u64 load(const u8 *image, u64 *headers, u64 *header_count) {
    const Elf64_Ehdr *elf = (const void *)image;
    const Elf64_Phdr *p = (const void *)(image + elf->e_phoff);
    u64 base = elf->e_type == ET_DYN ? PIE_BASE : 0, end = 0;
    for (int i = 0; i < elf->e_phnum; i++) {
        if (p[i].p_type != PT_LOAD) continue;
        u64 at = base + p[i].p_vaddr;
        memset((void *)at, 0, p[i].p_memsz);
        memcpy((void *)at, image + p[i].p_offset, p[i].p_filesz);
        if (p[i].p_offset == 0) *headers = at + elf->e_phoff;
        if (at + p[i].p_memsz > end) end = at + p[i].p_memsz;
    }
    *header_count = elf->e_phnum;
    heap_start = heap_end = round_up(end, MB);
    next_map = heap_start + HEAP_SIZE;
    return base + elf->e_entry;
}

void start(u32 *multiboot) {
    set_up_machine();
    u32 *module = (u32 *)(u64)multiboot[6];
    if (!multiboot[5]) print("no program\n"), stop(2);

    /* The boot loader left image and command line where the program may want to be: move them away first. */
    static char line[4096];
    char *text = (char *)(u64)module[2];
    for (int i = 0; i < 4095 && text[i]; i++) line[i] = text[i];
    u8 *image = (u8 *)STACK_TOP;
    for (u64 i = module[1] - module[0]; i--;) image[i] = ((u8 *)(u64)module[0])[i];

    u64 headers = 0, header_count = 0, entry = load(image, &headers, &header_count);

    /* The words of the line: NAME=VALUE for the environment, then the program's name and its arguments. */
    static u64 words[64], frame[256] __attribute__((aligned(64)));
    u64 count = 0, settings = 0, n = 0;
    for (char *s = line; count < 64;) {
        while (*s == ' ') *s++ = 0;
        if (!*s) break;
        words[count++] = (u64)s;
        int setting = 0;
        for (; *s && *s != ' '; s++) setting |= *s == '=';
        if (setting && settings == count - 1) settings = count;
    }
    /* Argument count, arguments, 0, environment, 0, auxiliary vector. */
    frame[n++] = count - settings;
    for (u64 i = settings; i < count; i++) frame[n++] = words[i];
    n++;
    for (u64 i = 0; i < settings; i++) frame[n++] = words[i];
    n++;
    static u8 random[16] = {7, 3, 9, 1, 4};
    u64 aux[][2] = {{AT_PHDR, headers}, {AT_PHENT, sizeof(Elf64_Phdr)}, {AT_PHNUM, header_count}, {AT_PAGESZ, 4096},
                    {AT_ENTRY, entry}, {AT_UID, 0}, {AT_EUID, 0}, {AT_GID, 0}, {AT_EGID, 0}, {AT_CLKTCK, 100},
                    {AT_SECURE, 0}, {AT_RANDOM, (u64)random}, {AT_EXECFN, frame[1]}, {AT_NULL, 0}};
    memcpy(&frame[n], aux, sizeof aux);
    n += sizeof aux / 8;
    u64 stack = (STACK_TOP - n * 8) & -64ul;
    memcpy((void *)stack, frame, n * 8);
    __asm__ volatile("mov %0,%%rsp; xor %%edx,%%edx; xor %%ebp,%%ebp; jmp *%1" ::"r"(stack), "r"(entry) : "memory");
}
