/* Runs a netlist of iCE40 cells, cycle by cycle, and counts what changes. activity.py writes its input:
 * nets; combinational cells in the order in which they depend; flip-flops; memories; the ports; samples.
 * Nothing glitches: a cell's output is computed once a cycle. Net 0 is 0, net 1 is 1. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { int carry, in[4], out, init; } Gate;
typedef struct { int d, q, e, r, value; } Flop;
typedef struct {
    int read_mode, write_mode, read, write, read_at[11], read_data[16], write_at[11], write_data[16], mask[16];
    uint16_t words[256], held, was_held;
    int last_at;
} Ram;

static uint8_t *v, *next;
static long toggled_lut, toggled_carry, toggled_ff, ram_reads, ram_writes, toggled_ram;

static int number(void) {
    int x;
    if (scanf("%d", &x) != 1) exit(2);
    return x;
}

static void numbers(int *to, int count) {
    for (int i = 0; i < count; i++) to[i] = number();
}

static int at(const int *nets, int count) {
    int x = 0;
    for (int i = 0; i < count; i++) x |= v[nets[i]] << i;
    return x;
}

static uint16_t selected(int mode, int high) {  /* the bits of a word that an address means */
    uint16_t bits = 0;
    for (int k = 0; k < 16; k++)
        if (k % (1 << mode) == (high & ((1 << mode) - 1))) bits |= (uint16_t)(1u << k);
    return bits;
}

static const int middle[4] = {0, 0, 1, 3};  /* where a bit of data lies in its part of the word, by mode */

int main(void) {
    int nets = number(), gates = number(), flops = number(), rams = number();
    v = calloc((size_t)nets, 1);
    v[1] = 1;
    Gate *g = calloc((size_t)gates + 1, sizeof *g);
    Flop *f = calloc((size_t)flops + 1, sizeof *f);
    next = calloc((size_t)flops + 1, 1);
    Ram *m = calloc((size_t)rams + 1, sizeof *m);
    for (int i = 0; i < gates; i++) {
        g[i].carry = number();
        numbers(g[i].in, 4);
        g[i].out = number();
        g[i].init = number();
    }
    for (int i = 0; i < flops; i++) {
        f[i].d = number(); f[i].q = number(); f[i].e = number(); f[i].r = number(); f[i].value = number();
    }
    for (int i = 0; i < rams; i++) {
        m[i].read_mode = number(); m[i].write_mode = number(); m[i].read = number(); m[i].write = number();
        numbers(m[i].read_at, 11); numbers(m[i].read_data, 16);
        numbers(m[i].write_at, 11); numbers(m[i].write_data, 16); numbers(m[i].mask, 16);
        for (int k = 0; k < 256; k++) m[i].words[k] = (uint16_t)number();
        m[i].last_at = -1;
    }
    int rst = number(), in_valid = number(), in_ready = number(), out_ready = number(), out_valid = number();
    int out_last = number(), in_data[8], bits = number(), serial = bits / 100, out_data[64];
    bits %= 100;
    int got = 0;  /* bits of a logit that came one by one */
    long long logit = 0;
    numbers(in_data, 8);
    numbers(out_data, bits);
    int samples = number(), size = number();
    uint8_t *codes = malloc((size_t)samples * (size_t)size);
    for (long i = 0; i < (long)samples * size; i++) codes[i] = (uint8_t)number();
    long sent = 0, cycle = 0, limit = 1000000000, total = 0;
    long *began = calloc((size_t)samples + 1, sizeof *began);  /* several may be on their way */
    int done = 0;
    for (long tick = 0; done < samples && tick < limit; tick++) {
        v[rst] = tick < 4;
        int offer = tick >= 4 && sent < (long)samples * size;
        v[in_valid] = (uint8_t)offer;
        v[out_ready] = 1;
        for (int k = 0; k < 8 && offer; k++) v[in_data[k]] = codes[sent] >> k & 1;
        for (int i = 0; i < gates; i++) {
            const int *in = g[i].in;
            int index = v[in[0]] | v[in[1]] << 1 | v[in[2]] << 2 | v[in[3]] << 3;
            uint8_t now = g[i].init >> index & 1;
            if (now != v[g[i].out]) {
                v[g[i].out] = now;
                if (g[i].carry) toggled_carry++;
                else toggled_lut++;
            }
        }
        cycle = tick;
        if (offer && v[in_ready]) {
            if (sent % size == 0) began[sent / size] = cycle;
            sent++;
        }
        if (tick >= 4 && v[out_valid]) {
            int width = serial ? serial : bits;
            for (int k = 0; k < bits; k++) logit |= (long long)v[out_data[k]] << (got + k);
            got += bits;
            if (got == width) {
                if (logit >> (width - 1) & 1) logit -= 1LL << width;
                printf("logit %lld\n", logit);
                if (v[out_last]) {
                    printf("cycles %ld\n", cycle - began[done] + 1);
                    total += cycle - began[done] + 1;
                    done++;
                }
                got = 0;
                logit = 0;
            }
        }
        for (int i = 0; i < flops; i++) next[i] = !v[f[i].e] ? v[f[i].q] : v[f[i].r] ? (uint8_t)f[i].value : v[f[i].d];
        for (int i = 0; i < rams; i++) {
            int from = at(m[i].read_at, 11), to = at(m[i].write_at, 11);
            m[i].was_held = m[i].held;
            if (v[m[i].read]) {
                ram_reads += from != m[i].last_at;
                m[i].last_at = from;
                m[i].held = m[i].words[from & 255] & selected(m[i].read_mode, from >> 8);
            }
            if (v[m[i].write]) {
                int mode = m[i].write_mode, part = 1 << mode;
                uint16_t data = 0, which = selected(mode, to >> 8);
                for (int k = 0; k < 16; k++)
                    if (v[m[i].write_data[k / part * part + middle[mode]]]) data |= (uint16_t)(1u << k);
                if (mode == 0)
                    for (int k = 0; k < 16; k++)
                        if (v[m[i].mask[k]]) which &= (uint16_t)~(1u << k);
                m[i].words[to & 255] = (uint16_t)((m[i].words[to & 255] & ~which) | (data & which));
                ram_writes++;
                m[i].last_at = -1;
            }
        }
        for (int i = 0; i < flops; i++)
            if (next[i] != v[f[i].q]) {
                v[f[i].q] = next[i];
                toggled_ff++;
            }
        for (int i = 0; i < rams; i++) {
            int part = 1 << m[i].read_mode;
            for (int k = 0; k < 16; k += part) {
                int net = m[i].read_data[k + middle[m[i].read_mode]];
                uint8_t now = (m[i].held >> k & ((1 << part) - 1)) != 0;
                if (net > 1 && v[net] != now) {
                    v[net] = now;
                    toggled_ram++;
                }
            }
        }
    }
    printf("counts %ld %ld %ld %ld %ld %ld %ld\n", total, toggled_lut, toggled_carry, toggled_ff, ram_reads, ram_writes,
           toggled_ram);
    return done == samples ? 0 : 1;
}
