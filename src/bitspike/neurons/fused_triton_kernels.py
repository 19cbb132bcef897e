"""All steps of a layer of neurons forward and backward, as Triton kernels: what ``csrc/neurons.c`` is in C.

What a step computes is data: kinds, which are constants where a kernel is compiled, and numbers. A block is `BLOCK`
neurons through all steps, so what is carried stays in registers. Backward reads the current alone: it computes
potentials anew, into scratch of its program, which stays in the cache.
"""

import triton
import triton.language as tl

from bitspike.neurons.fused_triton_steps import (
    alphabet_of,
    charged,
    fired_of,
    left_of,
    level_of,
    narrowed,
    over,
    peak_after,
    slope_of,
    stored,
    tied,
)

__all__ = ["backward_kernel", "forward_kernel"]


@triton.jit
def forward_kernel(
    current,
    spikes,
    rate,
    learned,
    peaks,
    found,
    carried,
    first,
    until,
    steps,
    count,
    factor,
    v_rest,
    threshold,
    by_threshold,
    lo,
    hi,
    shift,
    scale,
    by_scale,
    per_spike,
    v_init,
    v_reset,
    margin,
    top,
    by_top,
    limit,
    CHARGE: tl.constexpr,
    FIRE: tl.constexpr,
    RESET: tl.constexpr,
    ROUNDS: tl.constexpr,
    FACTOR_DIVIDES: tl.constexpr,
    LEVEL_DIVIDES: tl.constexpr,
    SCALE_DIVIDES: tl.constexpr,
    TOP_DIVIDES: tl.constexpr,
    HELD: tl.constexpr,
    STORE: tl.constexpr,
    FINDS: tl.constexpr,
    LEARNS: tl.constexpr,
    BOTH_SIGNS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Steps ``first`` to ``until`` of a block. One at a time where the largest potential of a layer is found."""
    stride = tl.full((), 0, tl.int64) + count
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    if CHARGE == "rate" or CHARGE == "rate_decays":
        factor = tl.load(rate)
    if FINDS:
        v = tl.load(carried + at, mask=inside, other=0.0)
    else:
        v = tl.full((BLOCK,), 0.0, tl.float32) + v_init
    for t in range(first, until):
        own, by_own, least, most, value, by_value = alphabet_of(
            learned, t, threshold, by_threshold, lo, hi, scale, by_scale, LEARNS, BOTH_SIGNS
        )
        if HELD:
            x = tl.load(current + at, mask=inside, other=0.0).to(tl.float32)
        else:
            x = tl.load(current + at + t * stride, mask=inside, other=0.0).to(tl.float32)
        if STORE:
            if t > 0:
                v = stored(v, peak_after(peaks, t - 1, limit), top, by_top, TOP_DIVIDES)
        u = charged(v, x, factor, v_rest, CHARGE, ROUNDS, FACTOR_DIVIDES)
        if CHARGE == "add_tied":
            u = tied(u, own, by_own, shift, margin, LEVEL_DIVIDES)
        level = level_of(u, own, by_own, least, most, shift, FIRE, LEVEL_DIVIDES)
        tl.store(spikes + at + t * stride, narrowed(level * value, spikes), mask=inside)
        v = left_of(u, level, value, by_value, per_spike, v_reset, RESET, ROUNDS, SCALE_DIVIDES)
        if FINDS:
            if t + 1 < steps:  # sizes of floats are in the order of their bits, and what is no number is above all
                sizes = tl.where(inside, v.to(tl.int32, bitcast=True) & 0x7FFFFFFF, 0)
                tl.atomic_max(found + t, tl.max(sizes, axis=0))
    if FINDS:
        tl.store(carried + at, v, mask=inside)


@triton.jit
def backward_kernel(
    current,
    grad_spikes,
    grad_current,
    rate,
    learned,
    peaks,
    scratch,
    sums,
    steps,
    count,
    blocks,
    micro_steps,
    factor,
    v_rest,
    threshold,
    by_threshold,
    lo,
    hi,
    shift,
    scale,
    by_scale,
    per_spike,
    v_init,
    v_reset,
    margin,
    top,
    by_top,
    limit,
    nearest_shift,
    nearest,
    a,
    b,
    c,
    after,
    CHARGE: tl.constexpr,
    FIRE: tl.constexpr,
    RESET: tl.constexpr,
    BUMP: tl.constexpr,
    ROUNDS: tl.constexpr,
    FACTOR_DIVIDES: tl.constexpr,
    LEVEL_DIVIDES: tl.constexpr,
    SCALE_DIVIDES: tl.constexpr,
    TOP_DIVIDES: tl.constexpr,
    TWO_LEVELS: tl.constexpr,
    DETACHED: tl.constexpr,
    HELD: tl.constexpr,
    STORE: tl.constexpr,
    LEARNS: tl.constexpr,
    BOTH_SIGNS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """The gradient of the current, block by block; of each block the sums that are the gradients of what is learned.

    Scratch is ``[programs, steps, BLOCK]``, sums ``[blocks]`` of a rate or ``[blocks, steps, 3]`` of alphabets.
    """
    RATE: tl.constexpr = CHARGE == "rate" or CHARGE == "rate_decays"
    stride = tl.full((), 0, tl.int64) + count
    if RATE:
        factor = tl.load(rate)
    lane = tl.arange(0, BLOCK)
    own_scratch = scratch + tl.program_id(0).to(tl.int64) * steps * BLOCK + lane
    for block in range(tl.program_id(0), blocks, tl.num_programs(0)):
        at = (tl.full((), 0, tl.int64) + block) * BLOCK + lane
        inside = at < count
        v = tl.full((BLOCK,), 0.0, tl.float32) + v_init
        for t in range(steps):
            own, by_own, least, most, value, by_value = alphabet_of(
                learned, t, threshold, by_threshold, lo, hi, scale, by_scale, LEARNS, BOTH_SIGNS
            )
            if HELD:
                x = tl.load(current + at, mask=inside, other=0.0).to(tl.float32)
            else:
                x = tl.load(current + at + t * stride, mask=inside, other=0.0).to(tl.float32)
            u = charged(v, x, factor, v_rest, CHARGE, ROUNDS, FACTOR_DIVIDES)
            if CHARGE == "add_tied":
                u = tied(u, own, by_own, shift, margin, LEVEL_DIVIDES)
            tl.store(own_scratch + t * BLOCK, u)
            level = level_of(u, own, by_own, least, most, shift, FIRE, LEVEL_DIVIDES)
            v = left_of(u, level, value, by_value, per_spike, v_reset, RESET, ROUNDS, SCALE_DIVIDES)
            if STORE:
                if t + 1 < steps:
                    v = stored(v, peak_after(peaks, t, limit), top, by_top, TOP_DIVIDES)
        tl.debug_barrier()  # scratch is written
        gv = tl.zeros((BLOCK,), tl.float32)
        held = tl.zeros((BLOCK,), tl.float32)
        of_rate = tl.zeros((BLOCK,), tl.float64)
        for back in range(steps):
            t = steps - 1 - back
            own, by_own, least, most, value, by_value = alphabet_of(
                learned, t, threshold, by_threshold, lo, hi, scale, by_scale, LEARNS, BOTH_SIGNS
            )
            u = tl.load(own_scratch + t * BLOCK)
            grad = tl.load(grad_spikes + at + t * stride, mask=inside, other=0.0).to(tl.float32)
            level = level_of(u, own, by_own, least, most, shift, FIRE, LEVEL_DIVIDES)
            slope = slope_of(
                u,
                own,
                by_own,
                least,
                most,
                shift,
                nearest_shift,
                nearest,
                a,
                b,
                c,
                micro_steps,
                BUMP,
                FIRE,
                LEVEL_DIVIDES,
                TWO_LEVELS,
            )
            if STORE:
                if t + 1 < steps:
                    left = left_of(u, level, value, by_value, per_spike, v_reset, RESET, ROUNDS, SCALE_DIVIDES)
                    gv = tl.where(tl.abs(left) <= peak_after(peaks, t, limit), gv, 0.0)
            sent, stays = grad, gv
            if RESET == "soft":
                if not DETACHED:
                    sent = grad - gv * per_spike
            else:
                fired = fired_of(level, level * value, by_value, RESET, SCALE_DIVIDES)
                stays = gv * (1 - fired)
                if RESET == "hard" and not DETACHED:
                    sent = grad + over(gv * (v_reset - u), by_value, SCALE_DIVIDES)
            reached = slope * sent * after + stays
            if CHARGE == "add" or CHARGE == "add_tied":
                gx, gv = reached * factor, reached
            elif CHARGE == "keep":
                gx, gv = reached, reached * factor
            elif CHARGE == "keep_detached":
                gx, gv = reached, reached * 0
            elif CHARGE == "leak" or CHARGE == "rate":
                gx, gv = reached, reached - over(reached, factor, FACTOR_DIVIDES)
            elif CHARGE == "leak_decays" or CHARGE == "rate_decays":
                gx = over(reached, factor, FACTOR_DIVIDES)
                gv = reached - gx
            if HELD:
                held += gx
            else:
                tl.store(grad_current + at + t * stride, narrowed(gx, grad_current), mask=inside)
            if RATE:
                v = tl.full((BLOCK,), 0.0, tl.float32) + v_init
                if t > 0:
                    u = tl.load(own_scratch + (t - 1) * BLOCK)
                    level = level_of(u, own, by_own, least, most, shift, FIRE, LEVEL_DIVIDES)
                    v = left_of(u, level, value, by_value, per_spike, v_reset, RESET, ROUNDS, SCALE_DIVIDES)
                    if STORE:
                        v = stored(v, peak_after(peaks, t - 1, limit), top, by_top, TOP_DIVIDES)
                decayed = -(v - v_rest)
                if CHARGE == "rate_decays":
                    if HELD:
                        x = tl.load(current + at, mask=inside, other=0.0).to(tl.float32)
                    else:
                        x = tl.load(current + at + t * stride, mask=inside, other=0.0).to(tl.float32)
                    decayed = x - (v - v_rest)
                of_rate += reached.to(tl.float64) * decayed.to(tl.float64)
            if LEARNS:
                wide = grad.to(tl.float64)
                sends = wide * level.to(tl.float64)
                by_step = sends - (grad * slope).to(tl.float64) * over(u, by_own, LEVEL_DIVIDES).to(tl.float64)
                beyond = tl.where(slope > 0, tl.zeros((BLOCK,), tl.float64), sends)
                row = sums + (block * steps + t) * 3
                tl.store(row, tl.sum(by_step, axis=0))
                tl.store(row + 1, tl.sum(beyond, axis=0))
                tl.store(row + 2, tl.sum(sends, axis=0))
        if HELD:
            tl.store(grad_current + at, narrowed(held, grad_current), mask=inside)
        if RATE:
            tl.store(sums + block, tl.sum(of_rate, axis=0))
        tl.debug_barrier()  # scratch was read
