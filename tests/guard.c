/* What a process tree sends and where it writes: a library for LD_PRELOAD that writes one line to LGE_GUARD_LOG for

   - every name that is looked up and every connection, packet or listening port beyond this machine's loopback; these
     are refused as well, as on a machine without a network;
   - everything made, opened for writing, renamed or removed outside the folders of LGE_GUARD_ALLOW ("a:b:c"), the
     devices and Python's byte code. It is done: the log is what fails the test.

   It also spares the waits for the disk (fsync): what tests write must outlive a process, but not the machine.

   A line: test, process, program, library that called, function, object; separated by tabs. tests/guard.py reads it. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(name) ({ static __typeof__(&name) f; if (!f) f = (__typeof__(&name))dlsym(RTLD_NEXT, #name); f; })
#define CALLER __builtin_return_address(0)
#define FULL (3 * PATH_MAX)

static void note(const void *caller, const char *call, const char *what) {
    const char *log = getenv("LGE_GUARD_LOG"), *test = getenv("PYTEST_CURRENT_TEST");
    if (!log) return;
    int saved = errno;
    Dl_info library = {0};
    dladdr(caller, &library);
    char line[2 * FULL];
    int length = snprintf(line, sizeof line, "%s\t%d\t%s\t%s\t%s\t%s\n", test ? test : "", (int)getpid(),
                          program_invocation_name, library.dli_fname ? library.dli_fname : "", call, what);
    if (length >= (int)sizeof line) { length = sizeof line; line[length - 1] = '\n'; }
    int file = REAL(open)(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file >= 0) { if (write(file, line, length) < 0) abort(); close(file); }
    errno = saved;
}

/* ------------------------------------------------------------------------------------------------------- network */

static int is_local(const struct sockaddr *address, socklen_t length) {
    if (!address || length < (socklen_t)sizeof(sa_family_t)) return 1;
    if (address->sa_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24) == 127;
    if (address->sa_family == AF_INET6) {
        const struct in6_addr *a = &((const struct sockaddr_in6 *)address)->sin6_addr;
        return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
    }
    return address->sa_family == AF_UNIX || address->sa_family == AF_UNSPEC || address->sa_family == AF_NETLINK;
}

static int refuse(const void *caller, const char *call, const struct sockaddr *address, socklen_t length) {
    if (is_local(address, length)) return 0;
    char host[INET6_ADDRSTRLEN] = "?", what[INET6_ADDRSTRLEN + 40];
    int port = 0;
    if (address->sa_family == AF_INET) {
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, host, sizeof host);
        port = ntohs(((const struct sockaddr_in *)address)->sin_port);
    } else if (address->sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, host, sizeof host);
        port = ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
    }
    snprintf(what, sizeof what, "family %d %s port %d", address->sa_family, host, port);
    note(caller, call, what);
    errno = ENETUNREACH;
    return 1;
}

int connect(int fd, const struct sockaddr *address, socklen_t length) {
    return refuse(CALLER, "connect", address, length) ? -1 : REAL(connect)(fd, address, length);
}
ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *address, socklen_t length) {
    return refuse(CALLER, "sendto", address, length) ? -1 : REAL(sendto)(fd, data, size, flags, address, length);
}
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    return refuse(CALLER, "sendmsg", message->msg_name, message->msg_namelen) ? -1 : REAL(sendmsg)(fd, message, flags);
}
int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
    for (unsigned k = 0; k < count; k++)
        if (refuse(CALLER, "sendmmsg", messages[k].msg_hdr.msg_name, messages[k].msg_hdr.msg_namelen)) return -1;
    return REAL(sendmmsg)(fd, messages, count, flags);
}
int listen(int fd, int backlog) {  /* others could come in */
    struct sockaddr_storage own;
    socklen_t length = sizeof own;
    if (!getsockname(fd, (struct sockaddr *)&own, &length) && refuse(CALLER, "listen", (struct sockaddr *)&own, length))
        return -1;
    return REAL(listen)(fd, backlog);
}

/* Of names only this machine's own are known without asking others; an address is no name. */
static int is_own(const char *name) {
    struct in6_addr address;
    return !name || !*name || !strcmp(name, "localhost") || inet_pton(AF_INET, name, &address) == 1 ||
           inet_pton(AF_INET6, name, &address) == 1;
}

static int ask(const void *caller, const char *call, const char *name) {
    if (is_own(name)) return 0;
    note(caller, call, name);
    errno = ENETUNREACH;
    return 1;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    return ask(CALLER, "getaddrinfo", node) ? EAI_NONAME : REAL(getaddrinfo)(node, service, hints, found);
}
int getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t size, char *service,
                socklen_t room, int flags) {
    if (host && !(flags & NI_NUMERICHOST) && refuse(CALLER, "getnameinfo", address, length)) return EAI_FAIL;
    return REAL(getnameinfo)(address, length, host, size, service, room, flags);
}
struct hostent *gethostbyname(const char *name) {
    return ask(CALLER, "gethostbyname", name) ? NULL : REAL(gethostbyname)(name);
}
struct hostent *gethostbyname2(const char *name, int family) {
    return ask(CALLER, "gethostbyname2", name) ? NULL : REAL(gethostbyname2)(name, family);
}
int gethostbyname_r(const char *name, struct hostent *host, char *buffer, size_t size, struct hostent **result,
                    int *error) {
    if (!ask(CALLER, "gethostbyname_r", name)) return REAL(gethostbyname_r)(name, host, buffer, size, result, error);
    *result = NULL;
    *error = HOST_NOT_FOUND;
    return ENETUNREACH;
}
int gethostbyname2_r(const char *name, int family, struct hostent *host, char *buffer, size_t size,
                     struct hostent **result, int *error) {
    if (!ask(CALLER, "gethostbyname2_r", name))
        return REAL(gethostbyname2_r)(name, family, host, buffer, size, result, error);
    *result = NULL;
    *error = HOST_NOT_FOUND;
    return ENETUNREACH;
}
static int is_local_host(const void *address, int family) {
    const unsigned char *bytes = address;
    return family == AF_INET ? bytes[0] == 127 : IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)address);
}
struct hostent *gethostbyaddr(const void *address, socklen_t length, int family) {
    if (is_local_host(address, family)) return REAL(gethostbyaddr)(address, length, family);
    note(CALLER, "gethostbyaddr", "an address");
    return NULL;
}
int gethostbyaddr_r(const void *address, socklen_t length, int family, struct hostent *host, char *buffer, size_t size,
                    struct hostent **result, int *error) {
    if (is_local_host(address, family))
        return REAL(gethostbyaddr_r)(address, length, family, host, buffer, size, result, error);
    note(CALLER, "gethostbyaddr_r", "an address");
    *result = NULL;
    *error = HOST_NOT_FOUND;
    return ENETUNREACH;
}
/* Under both of their names: programs linked with an older C library ask for the second. */
#undef res_query
#undef res_search
#undef res_nquery
#undef res_nsearch
#define RES(name) \
    extern int name(const char *, int, int, unsigned char *, int); \
    int name(const char *host, int class, int type, unsigned char *answer, int size) { \
        return ask(CALLER, #name, host) ? -1 : REAL(name)(host, class, type, answer, size); \
    }
#define RES_N(name) \
    extern int name(res_state, const char *, int, int, unsigned char *, int); \
    int name(res_state state, const char *host, int class, int type, unsigned char *answer, int size) { \
        return ask(CALLER, #name, host) ? -1 : REAL(name)(state, host, class, type, answer, size); \
    }
RES(res_query)
RES(__res_query)
RES(res_search)
RES(__res_search)
RES_N(res_nquery)
RES_N(__res_nquery)
RES_N(res_nsearch)
RES_N(__res_nsearch)

/* --------------------------------------------------------------------------------------------------------- files */

/* Where a path leads: absolute, its folder without links. */
static void locate(int folder, const char *path, char full[FULL]) {
    char joined[2 * PATH_MAX] = "", place[64], resolved[PATH_MAX];
    if (*path != '/') {
        if (folder == AT_FDCWD) {
            if (!getcwd(joined, PATH_MAX)) *joined = 0;
        } else {
            snprintf(place, sizeof place, "/proc/self/fd/%d", folder);
            ssize_t length = readlink(place, joined, PATH_MAX);
            joined[length > 0 ? length : 0] = 0;
        }
        strcat(joined, "/");
    }
    strncat(joined, path, PATH_MAX - 2);
    for (size_t n = strlen(joined); n > 1 && joined[n - 1] == '/'; n--) joined[n - 1] = 0;
    char *name = strrchr(joined, '/');
    if (!name) { strcpy(full, joined); return; }
    *name = 0;
    const char *parent = realpath(*joined ? joined : "/", resolved);
    snprintf(full, FULL, "%s/%s", parent ? (strcmp(parent, "/") ? parent : "") : joined, name + 1);
}

static int begins(const char *path, const char *folder, size_t length) {
    return !strncmp(path, folder, length) && (path[length] == 0 || path[length] == '/');
}

static int is_allowed(const char *path, int new_folder) {
    if (begins(path, "/dev", 4) || begins(path, "/proc", 5) || strstr(path, "/__pycache__")) return 1;
    const char *log = getenv("LGE_GUARD_LOG"), *allowed = getenv("LGE_GUARD_ALLOW");
    if (!allowed || (log && !strcmp(path, log))) return 1;
    for (const char *folder = allowed; *folder;) {
        size_t length = strcspn(folder, ":");
        if (length && begins(path, folder, length)) return 1;
        if (new_folder && strlen(path) < length && begins(folder, path, strlen(path))) return 1;  /* on its way there */
        folder += length + (folder[length] == ':');
    }
    return 0;
}

static void wrote(const void *caller, const char *call, int folder, const char *path, int done) {
    if (!done || !path) return;
    int saved = errno;
    char full[FULL];
    locate(folder, path, full);
    if (!is_allowed(full, !strncmp(call, "mkdir", 5))) note(caller, call, full);
    errno = saved;
}

#define MODE ({ va_list more; va_start(more, flags); int m = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0; \
                va_end(more); m; })
#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        int fd = REAL(name)(path, flags, MODE); \
        wrote(CALLER, #name, AT_FDCWD, path, fd >= 0 && WRITES(flags)); \
        return fd; \
    }
#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        int fd = REAL(name)(folder, path, flags, MODE); \
        wrote(CALLER, #name, folder, path, fd >= 0 && WRITES(flags)); \
        return fd; \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int fsync(int fd) { return fcntl(fd, F_GETFD) < 0 ? -1 : 0; }      /* -1 and EBADF, as of one that is not open */
int fdatasync(int fd) { return fcntl(fd, F_GETFD) < 0 ? -1 : 0; }

extern int __open_2(const char *, int), __open64_2(const char *, int);
extern int __openat_2(int, const char *, int), __openat64_2(int, const char *, int);
int __open_2(const char *path, int flags) {
    int fd = REAL(__open_2)(path, flags);
    wrote(CALLER, "open", AT_FDCWD, path, fd >= 0 && WRITES(flags));
    return fd;
}
int __open64_2(const char *path, int flags) {
    int fd = REAL(__open64_2)(path, flags);
    wrote(CALLER, "open64", AT_FDCWD, path, fd >= 0 && WRITES(flags));
    return fd;
}
int __openat_2(int folder, const char *path, int flags) {
    int fd = REAL(__openat_2)(folder, path, flags);
    wrote(CALLER, "openat", folder, path, fd >= 0 && WRITES(flags));
    return fd;
}
int __openat64_2(int folder, const char *path, int flags) {
    int fd = REAL(__openat64_2)(folder, path, flags);
    wrote(CALLER, "openat64", folder, path, fd >= 0 && WRITES(flags));
    return fd;
}

#define FOPEN(name) \
    FILE *name(const char *path, const char *mode) { \
        FILE *file = REAL(name)(path, mode); \
        wrote(CALLER, #name, AT_FDCWD, path, file && strpbrk(mode, "wa+")); \
        return file; \
    }
FOPEN(fopen)
FOPEN(fopen64)

#define ONE(name) \
    int name(const char *path) { \
        int failed = REAL(name)(path); \
        wrote(CALLER, #name, AT_FDCWD, path, !failed); \
        return failed; \
    }
ONE(unlink)
ONE(rmdir)
ONE(remove)

#define WITH_MODE(name) \
    int name(const char *path, mode_t mode) { \
        int result = REAL(name)(path, mode); \
        wrote(CALLER, #name, AT_FDCWD, path, result >= 0); \
        return result; \
    }
WITH_MODE(creat)
WITH_MODE(creat64)
WITH_MODE(mkdir)
WITH_MODE(mkfifo)

#define TWO(name) \
    int name(const char *from, const char *to) { \
        int failed = REAL(name)(from, to); \
        wrote(CALLER, #name, AT_FDCWD, to, !failed); \
        return failed; \
    }
TWO(link)
TWO(symlink)

int rename(const char *from, const char *to) {
    int failed = REAL(rename)(from, to);
    wrote(CALLER, "rename", AT_FDCWD, from, !failed);
    wrote(CALLER, "rename", AT_FDCWD, to, !failed);
    return failed;
}
int renameat(int folder, const char *from, int other, const char *to) {
    int failed = REAL(renameat)(folder, from, other, to);
    wrote(CALLER, "renameat", folder, from, !failed);
    wrote(CALLER, "renameat", other, to, !failed);
    return failed;
}
int renameat2(int folder, const char *from, int other, const char *to, unsigned flags) {
    int failed = REAL(renameat2)(folder, from, other, to, flags);
    wrote(CALLER, "renameat2", folder, from, !failed);
    wrote(CALLER, "renameat2", other, to, !failed);
    return failed;
}
int unlinkat(int folder, const char *path, int flags) {
    int failed = REAL(unlinkat)(folder, path, flags);
    wrote(CALLER, "unlinkat", folder, path, !failed);
    return failed;
}
int mkdirat(int folder, const char *path, mode_t mode) {
    int failed = REAL(mkdirat)(folder, path, mode);
    wrote(CALLER, "mkdirat", folder, path, !failed);
    return failed;
}
int linkat(int folder, const char *from, int other, const char *to, int flags) {
    int failed = REAL(linkat)(folder, from, other, to, flags);
    wrote(CALLER, "linkat", other, to, !failed);
    return failed;
}
int symlinkat(const char *from, int folder, const char *to) {
    int failed = REAL(symlinkat)(from, folder, to);
    wrote(CALLER, "symlinkat", folder, to, !failed);
    return failed;
}
int truncate(const char *path, off_t length) {
    int failed = REAL(truncate)(path, length);
    wrote(CALLER, "truncate", AT_FDCWD, path, !failed);
    return failed;
}
int truncate64(const char *path, off64_t length) {
    int failed = REAL(truncate64)(path, length);
    wrote(CALLER, "truncate64", AT_FDCWD, path, !failed);
    return failed;
}

/* These make a name of their own, in their argument. */
#define MADE(type, name, fine, parameters, ...) \
    type name parameters { \
        type made = REAL(name)(__VA_ARGS__); \
        wrote(CALLER, #name, AT_FDCWD, path, fine); \
        return made; \
    }
MADE(int, mkstemp, made >= 0, (char *path), path)
MADE(int, mkstemp64, made >= 0, (char *path), path)
MADE(int, mkostemp, made >= 0, (char *path, int flags), path, flags)
MADE(int, mkostemp64, made >= 0, (char *path, int flags), path, flags)
MADE(int, mkstemps, made >= 0, (char *path, int suffix), path, suffix)
MADE(int, mkstemps64, made >= 0, (char *path, int suffix), path, suffix)
MADE(int, mkostemps, made >= 0, (char *path, int suffix, int flags), path, suffix, flags)
MADE(int, mkostemps64, made >= 0, (char *path, int suffix, int flags), path, suffix, flags)
MADE(char *, mkdtemp, made != NULL, (char *path), path)
