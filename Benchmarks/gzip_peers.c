// What compressing a body for each request costs: bytes, and microseconds of one processor, by library and level.
//
//     cc -O2 -o gzip_peers gzip_peers.c -lz -ldeflate -lisal && ./gzip_peers FILE...
//
// Prints a line for each: name, mean bytes, median microseconds a body. State is made once and used again, as a server
// would. `isa-l-0-trained` has a Huffman code trained on these very files: the best it can be.

#include <isa-l.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

enum { FILES_MAX = 1000, ROUNDS = 9, OUT_MAX = 32 << 20 };

static unsigned char *bodies[FILES_MAX];
static size_t sizes[FILES_MAX];
static int count;
static unsigned char *out;
static z_stream streams[10];
static struct libdeflate_compressor *compressors[13];
static unsigned char level_buffer[ISAL_DEF_LVL3_EXTRA_LARGE];
static struct isal_hufftables trained;

static size_t with_zlib(int level, unsigned char *body, size_t size) {
    z_stream *stream = &streams[level];
    deflateReset(stream);
    stream->next_in = body;
    stream->avail_in = size;
    stream->next_out = out;
    stream->avail_out = OUT_MAX;
    if (deflate(stream, Z_FINISH) != Z_STREAM_END) exit(1);
    return stream->total_out;
}

static size_t with_libdeflate(int level, unsigned char *body, size_t size) {
    return libdeflate_gzip_compress(compressors[level], body, size, out, OUT_MAX);
}

// Level 0 with the library's own Huffman code, −1 with the trained one.
static size_t with_isal(int level, unsigned char *body, size_t size) {
    struct isal_zstream stream;
    isal_deflate_stateless_init(&stream);
    stream.level = level > 0 ? level : 0;
    stream.level_buf = level_buffer;
    stream.level_buf_size = level > 0 ? ISAL_DEF_LVL1_DEFAULT : 0;
    if (level < 0) stream.hufftables = &trained;
    stream.gzip_flag = IGZIP_GZIP;
    stream.end_of_stream = 1;
    stream.next_in = body;
    stream.avail_in = size;
    stream.next_out = out;
    stream.avail_out = OUT_MAX;
    if (isal_deflate_stateless(&stream) != COMP_OK) exit(1);
    return stream.total_out;
}

static double now_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static int by_size(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static void measure(const char *name, size_t (*compress)(int, unsigned char *, size_t), int level) {
    double us[ROUNDS];
    size_t bytes = 0, all = 0;
    for (int index = 0; index < count; index++) all += sizes[index];
    // About 2 MB a round.
    int repeats = all < (2 << 20) ? (2 << 20) / all : 1;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_us();
        for (int repeat = 0; repeat < repeats; repeat++) {
            bytes = 0;
            for (int index = 0; index < count; index++) bytes += compress(level, bodies[index], sizes[index]);
        }
        us[round] = (now_us() - start) / repeats / count;
    }
    qsort(us, ROUNDS, sizeof us[0], by_size);
    printf("%s %.0f %.2f\n", name, (double)bytes / count, us[ROUNDS / 2]);
}

int main(int argc, char **argv) {
    struct isal_huff_histogram histogram;
    memset(&histogram, 0, sizeof histogram);
    if (argc < 2 || argc > FILES_MAX || !(out = malloc(OUT_MAX))) return 1;
    for (; count < argc - 1; count++) {
        FILE *file = fopen(argv[count + 1], "rb");
        if (!file || !(bodies[count] = malloc(OUT_MAX))) return 1;
        sizes[count] = fread(bodies[count], 1, OUT_MAX, file);
        fclose(file);
        isal_update_histogram(bodies[count], sizes[count], &histogram);
    }
    isal_create_hufftables(&trained, &histogram);
    int levels[] = {1, 6};
    for (int index = 0; index < 2; index++) {
        int level = levels[index];
        if (deflateInit2(&streams[level], level, Z_DEFLATED, 16 + 15, 8, Z_DEFAULT_STRATEGY) != Z_OK) return 1;
        if (!(compressors[level] = libdeflate_alloc_compressor(level))) return 1;
    }
    measure("zlib-1", with_zlib, 1);
    measure("zlib-6", with_zlib, 6);
    measure("libdeflate-1", with_libdeflate, 1);
    measure("libdeflate-6", with_libdeflate, 6);
    measure("isa-l-0-trained", with_isal, -1);
    measure("isa-l-1", with_isal, 1);
    return 0;
}
