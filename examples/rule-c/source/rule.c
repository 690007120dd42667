// A rule in C without a library, to show how little a module needs: it rejects trades whose qty is not above 0 and those that would be worth more than the limit of
// the configuration. README.md says how it is built. The layouts are those of package sdk/abi.
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

#define EXPORT(name) __attribute__((export_name(#name)))

struct header { u8 magic[4]; u16 header_len, ncols; u32 nrows, cells, heap, total; u16 op, images; u32 schema; };
struct cell { union { i64 i; double f; } v; u32 len; u8 type, zero[3]; };
struct record { u32 row, code; u16 col; u8 action, severity; u32 msg, msg_len, aux; };
enum { INTEGER = 1 };
enum { MOST = 2048 }; // records of a block; one is enough to refuse a statement

extern u8 __heap_base;
static struct { u16 kind, version; u32 n; struct record r[MOST]; char text[40]; } block;
static i64 limit = 1000000;

EXPORT(tg_abi_1) void tg_abi_1(void) {}

// The arena of the host begins behind what the module has.
EXPORT(tg_alloc) u32 tg_alloc(u32 n) {
  u32 at = ((u32)&__heap_base + 7) & ~7u, have = (u32)__builtin_wasm_memory_size(0) << 16;
  if (n > 64u << 20) return 0;
  if (at + n > have && __builtin_wasm_memory_grow(0, (at + n - have + 65535) >> 16) == (u32)-1) return 0;
  return at;
}

// Of the configuration it reads one number, the one behind "limit": in the object config.
EXPORT(tg_configure) u64 tg_configure(const char *s, u32 n) {
  static const char key[] = "\"limit\":";
  for (u32 i = 0; i + sizeof key - 1 < n; i++) {
    u32 k = 0;
    while (k < sizeof key - 1 && s[i + k] == key[k]) k++;
    if (k < sizeof key - 1) continue;
    limit = 0;
    for (i += k; i < n && s[i] >= '0' && s[i] <= '9'; i++) {
      if (limit > 900000000000000000) break;
      limit = limit * 10 + s[i] - '0';
    }
    break;
  }
  return 0;
}

static void reject(u32 row, u32 code, u16 col) {
  if (block.n < MOST) block.r[block.n++] = (struct record){row, code, col, 1, 2, 0, 0, 0};
}

// The messages go behind the last record, so that a short answer is a short block.
static u64 answer(void) {
  static const char why[2][20] = {"qty is not above 0", "over the limit"};
  static const u8 len[2] = {18, 14};
  u32 end = 8 + block.n * sizeof(struct record);
  if (!block.n) return 0;
  for (u32 i = 0; i < sizeof why; i++) ((char *)&block)[end + i] = ((const char *)why)[i];
  for (u32 i = 0; i < block.n; i++) {
    u32 code = block.r[i].code;
    block.r[i].msg = end + (code - 1) * 20;
    block.r[i].msg_len = len[code - 1];
  }
  return (u64)(u32)&block << 32 | (end + sizeof why);
}

// The columns of plugin.yaml: qty, px. A row without a verdict is accepted.
EXPORT(tg_validate) u64 tg_validate(const u8 *b, u32 n) {
  const struct header *h = (const struct header *)b;
  const struct cell *c = (const struct cell *)(b + h->cells);
  block.kind = 1, block.version = 1, block.n = 0;
  for (u32 row = 0; row < h->nrows; row++, c += h->ncols * h->images) {
    i64 qty = c[0].v.i, px = c[1].v.i;
    if (c[0].type != INTEGER || qty <= 0) reject(row, 1, 0);
    else if (c[1].type != INTEGER || px > limit / qty || px < -limit / qty) reject(row, 2, 1); // a product could be over 64 bits, a quotient cannot
  }
  return answer();
}
