"""What a step of neurons computes, element by element, in Triton: the parts of `bitspike.neurons.fused_triton_kernels`.

Every float operation stands for itself and in torch's order, so spikes equal torch's to the last bit; whoever launches
a kernel turns fusion of products and sums off. Kinds are constants, by their names in `bitspike.neurons.fused_kinds`.
"""

import triton
import triton.language as tl


@triton.jit
def scale_add(a, b, factor, ROUNDS: tl.constexpr):
    """``a + factor b``: rounded once, or twice; ``in double`` is once where there is no such operation."""
    if ROUNDS == "once":
        return tl.fma(b, factor, a)
    elif ROUNDS == "twice":
        return a + b * factor
    elif ROUNDS == "in double":
        wide = (tl.full(a.shape, 0.0, tl.float32) + factor).to(tl.float64)
        return (a.to(tl.float64) + b.to(tl.float64) * wide).to(tl.float32)


@triton.jit
def over(a, by, DIVIDES: tl.constexpr):
    """``a/by``, where ``by`` is the reciprocal if torch takes that."""
    if DIVIDES:
        return tl.div_rn(a, by)
    else:
        return a * by


@triton.jit
def narrowed(a, like):
    """``a`` as what a pointer points to, rounded to the nearest: Triton's interpreter would cut a bfloat16 off."""
    if like.dtype.element_ty == tl.bfloat16:
        bits = a.to(tl.int32, bitcast=True)
        nearest = (bits + 0x7FFF + ((bits >> 16) & 1)) & -65536
        a = tl.where(a == a, nearest.to(tl.float32, bitcast=True), a)
    return a.to(like.dtype.element_ty)


@triton.jit
def clipped(a, lo, hi):
    """``a`` within bounds; what is no number stays none."""
    above = tl.where(a < lo, lo, a)
    return tl.where(above > hi, hi, above)


@triton.jit
def floor(a):
    """Of the smallest floats below 0 too, which a GPU takes for 0 there."""
    below = tl.floor(a)
    return tl.where(below > a, below - 1, below)


@triton.jit
def half_up(a):
    below = floor(a)
    return tl.where(a - below >= 0.5, below + 1, below)


@triton.jit
def half_even(a):
    below = floor(a)
    past, odd = a - below, below - 2 * tl.floor(below * 0.5)
    return tl.where((past > 0.5) | ((past == 0.5) & (odd == 1)), below + 1, below)


@triton.jit
def tied(u, threshold, by_threshold, shift, margin, LEVEL_DIVIDES: tl.constexpr):
    """What rounding has moved off a tie of the levels is put back on it."""
    levels = over(u, by_threshold, LEVEL_DIVIDES) + shift
    nearest = half_even(levels)
    exact = (nearest - shift) * threshold
    low = (threshold != 1) & (over(exact, by_threshold, LEVEL_DIVIDES) + shift < nearest)
    tie = tl.where(low, exact + tl.abs(exact) * 1.1920928955078125e-07, exact)
    return u + tl.where(tl.abs(levels - nearest) <= margin, tie - u, 0.0)


@triton.jit
def charged(v, x, factor, v_rest, CHARGE: tl.constexpr, ROUNDS: tl.constexpr, FACTOR_DIVIDES: tl.constexpr):
    if CHARGE == "add" or CHARGE == "add_tied":
        return scale_add(v, x, factor, ROUNDS)
    elif CHARGE == "keep" or CHARGE == "keep_detached":
        return scale_add(x, v, factor, ROUNDS)
    elif CHARGE == "leak" or CHARGE == "rate":
        return v - over(v - v_rest, factor, FACTOR_DIVIDES) + x
    elif CHARGE == "leak_decays" or CHARGE == "rate_decays":
        return v + over(x - (v - v_rest), factor, FACTOR_DIVIDES)


@triton.jit
def level_of(u, threshold, by_threshold, lo, hi, shift, FIRE: tl.constexpr, LEVEL_DIVIDES: tl.constexpr):
    if FIRE == "binary":
        return (u >= threshold).to(tl.float32)
    elif FIRE == "nearest":
        return clipped(half_up(over(u, by_threshold, LEVEL_DIVIDES)), lo, hi)
    elif FIRE == "graded":
        return clipped(floor(over(u, by_threshold, LEVEL_DIVIDES) + shift), lo, hi)


@triton.jit
def fired_of(level, spike, by_scale, RESET: tl.constexpr, SCALE_DIVIDES: tl.constexpr):
    if RESET == "hard":
        return over(spike, by_scale, SCALE_DIVIDES)
    elif RESET == "hard_graded":
        return ((level > 0) | (level < 0)).to(tl.float32)


@triton.jit
def left_of(
    u,
    level,
    scale,
    by_scale,
    per_spike,
    v_reset,
    RESET: tl.constexpr,
    ROUNDS: tl.constexpr,
    SCALE_DIVIDES: tl.constexpr,
):
    """What a spike leaves of a potential."""
    spike = level * scale
    if RESET == "soft":
        return scale_add(u, spike, -per_spike, ROUNDS)
    else:
        fired = fired_of(level, spike, by_scale, RESET, SCALE_DIVIDES)
        return scale_add(u * (1 - fired), fired, v_reset, ROUNDS)


@triton.jit
def peak_after(peaks, t, limit):
    """What the largest potential of a step counts as: not 0, so that there are levels."""
    found = tl.load(peaks + t)
    most = tl.where(found > limit, limit, found)
    return tl.where(most < 7.7037197775489434e-34, 7.7037197775489434e-34, most)


@triton.jit
def stored(v, peak, top, by_top, TOP_DIVIDES: tl.constexpr):
    """Potentials as they are stored."""
    whole = over(peak, by_top, TOP_DIVIDES)
    step = tl.where(whole < 1.1754943508222875e-38, 1.1754943508222875e-38, whole)
    return clipped(half_up(tl.div_rn(v, step)), -top, top) * step


@triton.jit
def alphabet_of(
    learned, t, threshold, by_threshold, lo, hi, scale, by_scale, LEARNS: tl.constexpr, BOTH_SIGNS: tl.constexpr
):
    """Threshold, alphabet and scale of a step, with what divides by the first and the last: learned, or as they are."""
    if LEARNS:
        own = tl.load(learned + 3 * t)
        bits = tl.load(learned + 3 * t + 1).to(tl.int32) - BOTH_SIGNS
        top = tl.where(bits > 0, (1 << tl.maximum(bits, 1)) - 1, 1).to(tl.float32)
        return own, own, -BOTH_SIGNS * top, top, own, own
    else:
        return threshold, by_threshold, lo, hi, scale, by_scale


@triton.jit
def bump(x, alpha):
    """``alpha s (1 - s)``, ``s = sigmoid(alpha x)``, in a form that does not cancel."""
    e = tl.exp(-tl.abs(alpha * x))
    return alpha * (e / ((1 + e) * (1 + e)))


@triton.jit
def slope_of(
    u,
    threshold,
    by_threshold,
    lo,
    hi,
    shift,
    nearest_shift,
    nearest,
    a,
    b,
    c,
    micro_steps,
    BUMP: tl.constexpr,
    FIRE: tl.constexpr,
    LEVEL_DIVIDES: tl.constexpr,
    TWO_LEVELS: tl.constexpr,
):
    """What a surrogate multiplies the gradient of a spike by, but for a number that is the same for all."""
    if BUMP == "straight_through":
        return ((u >= a) & (u <= b)).to(tl.float32)
    elif BUMP == "pass_through":
        return u * 0 + 1
    elif BUMP == "inside":
        by = over(u, by_threshold, LEVEL_DIVIDES)
        return ((by >= lo) & (by <= hi)).to(tl.float32)
    elif BUMP == "micro_steps" or BUMP == "micro_steps_summed":
        level = level_of(u, threshold, by_threshold, lo, hi, shift, FIRE, LEVEL_DIVIDES)
        left = u * 0 + (BUMP == "micro_steps")
        for n in range(micro_steps):
            d = bump(u - threshold * (tl.where(level < n, level, n * 1.0) + 1), a)
            if BUMP == "micro_steps":
                left = left * (1 - threshold * d)
            else:
                left = left + d
        if BUMP == "micro_steps":
            left = (1 - left) * c
        return left
    else:
        if TWO_LEVELS:
            x = u - nearest
        else:
            whole = clipped(floor(over(u, by_threshold, LEVEL_DIVIDES) + nearest_shift), lo + 1, hi)
            x = u - (whole - shift) * threshold
        if BUMP == "atan":
            return 1 / (a + b * x * x)
        elif BUMP == "sigmoid":
            return bump(x, a)
        elif BUMP == "triangle":
            return tl.maximum(a - tl.abs(x), 0.0) * b
        elif BUMP == "rectangle":
            return tl.where(tl.abs(x) < a, b, 0.0)
