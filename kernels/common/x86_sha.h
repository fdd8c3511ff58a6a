/* The SHA instructions of x86 CPUs.
 *
 * | -D       | values | meaning                                                                |
 * | -------- | ------ | ---------------------------------------------------------------------- |
 * | MODELLED | 1      | optional: what the instructions do, step by step, so that a CPU without |
 * |          |        | them can check what is made of them                                    |
 *
 * The first word of a vector is its lowest here; the manuals write it last.
 */
#ifndef FPGA_ACCEL_X86_SHA_H
#define FPGA_ACCEL_X86_SHA_H

#if !defined(__x86_64__) || (!defined(__SHA__) && !defined(MODELLED))
#error "this variant needs a 64-bit x86 CPU with SHA instructions"
#endif

typedef int4 __attribute__((aligned(1))) unaligned_int4_t;

static inline uint4 sha_swap(uint4 a) {
  a = (a & 0x00FF00FFU) << 8 | (a >> 8 & 0x00FF00FFU);
  return a << 16 | a >> 16;
}

/* Four words of a text, each from its bytes with the most significant first. */
static inline int4 sha_load(ulong address) {
  return as_int4(sha_swap(as_uint4(*(private const unaligned_int4_t *)address)));
}

#ifndef MODELLED

#define X_SHA256RNDS2(cdgh, abef, wk) __builtin_ia32_sha256rnds2(cdgh, abef, wk)
#define X_SHA256MSG1(a, b) __builtin_ia32_sha256msg1(a, b)
#define X_SHA256MSG2(a, b) __builtin_ia32_sha256msg2(a, b)
#define X_SHA1RNDS4(abcd, ew, function) __builtin_ia32_sha1rnds4(abcd, ew, function)
#define X_SHA1NEXTE(before, w) __builtin_ia32_sha1nexte(before, w)
#define X_SHA1MSG1(a, b) __builtin_ia32_sha1msg1(a, b)
#define X_SHA1MSG2(a, b) __builtin_ia32_sha1msg2(a, b)

#else

/* Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2. Not inlined: there are
 * hundreds of uses. */
#define MODEL static __attribute__((noinline))

static inline uint model_right(uint a, uint n) { return a >> n | a << (32 - n); }

static inline uint model_sigma0(uint a) { return model_right(a, 7) ^ model_right(a, 18) ^ a >> 3; }

static inline uint model_sigma1(uint a) {
  return model_right(a, 17) ^ model_right(a, 19) ^ a >> 10;
}

MODEL int4 X_SHA256RNDS2(int4 cdgh, int4 abef, int4 wk) {
  uint4 x = as_uint4(abef), y = as_uint4(cdgh), words = as_uint4(wk);
  uint a = x.w, b = x.z, e = x.y, f = x.x, c = y.w, d = y.z, g = y.y, h = y.x;
  for (uint i = 0; i < 2; i++) {
    uint first = h + (model_right(e, 6) ^ model_right(e, 11) ^ model_right(e, 25)) +
                 ((e & f) ^ (~e & g)) + (i ? words.y : words.x);
    uint second = (model_right(a, 2) ^ model_right(a, 13) ^ model_right(a, 22)) +
                  ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + first;
    d = c;
    c = b;
    b = a;
    a = first + second;
  }
  return as_int4((uint4)(f, e, b, a));
}

MODEL int4 X_SHA256MSG1(int4 first, int4 second) {
  uint4 a = as_uint4(first), b = as_uint4(second);
  return as_int4((uint4)(a.x + model_sigma0(a.y), a.y + model_sigma0(a.z), a.z + model_sigma0(a.w),
                         a.w + model_sigma0(b.x)));
}

MODEL int4 X_SHA256MSG2(int4 first, int4 second) {
  uint4 a = as_uint4(first), b = as_uint4(second);
  uint w16 = a.x + model_sigma1(b.z), w17 = a.y + model_sigma1(b.w);
  return as_int4((uint4)(w16, w17, a.z + model_sigma1(w16), a.w + model_sigma1(w17)));
}

MODEL int4 X_SHA1RNDS4(int4 abcd, int4 ew, uint function) {
  uint4 x = as_uint4(abcd), y = as_uint4(ew);
  uint a = x.w, b = x.z, c = x.y, d = x.x, e = 0;
  const uint words[4] = {y.w, y.z, y.y, y.x};
  const uint constants[4] = {0x5A827999U, 0x6ED9EBA1U, 0x8F1BBCDCU, 0xCA62C1D6U};
  for (uint i = 0; i < 4; i++) {
    uint f = function == 0   ? (b & c) ^ (~b & d)
             : function == 2 ? (b & c) ^ (b & d) ^ (c & d)
                             : b ^ c ^ d;
    uint sum = f + model_right(a, 27) + words[i] + e + constants[function];
    e = d;
    d = c;
    c = model_right(b, 2);
    b = a;
    a = sum;
  }
  return as_int4((uint4)(d, c, b, a));
}

MODEL int4 X_SHA1NEXTE(int4 before, int4 w) {
  uint4 a = as_uint4(before), b = as_uint4(w);
  b.w += model_right(a.w, 2);
  return as_int4(b);
}

MODEL int4 X_SHA1MSG1(int4 first, int4 second) {
  uint4 a = as_uint4(first), b = as_uint4(second);
  return as_int4((uint4)(b.z ^ a.x, b.w ^ a.y, a.x ^ a.z, a.y ^ a.w));
}

MODEL int4 X_SHA1MSG2(int4 first, int4 second) {
  uint4 a = as_uint4(first), b = as_uint4(second);
  uint w16 = model_right(a.w ^ b.z, 31), w17 = model_right(a.z ^ b.y, 31);
  uint w18 = model_right(a.y ^ b.x, 31), w19 = model_right(a.x ^ w16, 31);
  return as_int4((uint4)(w19, w18, w17, w16));
}

#endif

#endif
