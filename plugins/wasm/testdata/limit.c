// The guest of the tests in C: the rule of testdata/limit.
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define EXPORT(name) __attribute__((export_name(#name)))
extern u8 __heap_base;
static u8 result[64 << 10] __attribute__((aligned(8)));

EXPORT(tg_abi_1) void marker(void) {}

EXPORT(tg_alloc) u32 alloc(u32 n) {
  u32 at = ((u32)&__heap_base + 7) & ~7u, have = __builtin_wasm_memory_size(0) << 16;
  if (at + n > have && __builtin_wasm_memory_grow(0, (at + n - have + 65535) >> 16) == (u32)-1) return 0;
  return at;
}

struct header { u8 magic[4]; unsigned short header_len, ncols; u32 nrows, cells, heap, total; unsigned short op, images; u32 schema; };
struct cell { union { u64 bits; long long i; double f; } v; u32 len; u8 type, flags[3]; };
struct record { u32 row, code; unsigned short col; u8 action, severity; u32 msg, len, aux; };

static int letters(const u8 *s, u32 n) {
  for (u32 i = 0; i < n; i++)
    if (s[i] < 'A' || s[i] > 'Z') return 0;
  return n > 0;
}

EXPORT(tg_validate) u64 validate(u8 *b, u32 n) {
  struct header *h = (struct header *)b;
  struct cell *c = (struct cell *)(b + h->cells);
  struct record *r = (struct record *)(result + 8);
  u32 bad = 0;
  for (u32 row = 0; row < h->nrows; row++, c += h->ncols * h->images) {
    u32 code = 0;
    if (c[2].v.i > 1000) code = 1;
    else if (c[3].type == 5 || c[3].v.f <= 0) code = 2;
    else if (!letters(b + c[1].v.bits, c[1].len)) code = 3;
    if (code && bad < 2700) r[bad++] = (struct record){row, code, code == 1 ? 2 : code == 2 ? 3 : 1, 1, 2, 0, 0, 0};
  }
  if (!bad) return 0;
  *(u32 *)result = 1 | 1 << 16;
  *(u32 *)(result + 4) = bad;
  return (u64)(u32)result << 32 | (8 + bad * 24);
}
