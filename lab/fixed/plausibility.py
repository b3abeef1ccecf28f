"""What no honest score is below: exact entropies, a second text, a share of an anchor.

Leaves to others: taking the losses (evaluation)."""

import math
from dataclasses import dataclass

from fixed.errors import EvaluationError

# A score below this share of the static trigram's is no model's. Honest ones end at 0.7 of it
# (pystd, stories); the best language models known, trained for months, at a third. Own text may
# repeat itself.
PLAUSIBLE_SHARE, PLAUSIBLE_SHARE_CUSTOM = 1 / 3, 1 / 10
# Bits per byte, and a tenth, by which a model may be further above the entropy of new stories than
# above that of the track's.
FRESH_TOLERANCE = 0.03
# How much better a model may be on the validation text than on the second text of the same library,
# each as a share of what the trigram scores there: this much of the share's square, for models that
# have learned little differ more (docs/trust.md has the calibration).
SECOND_TOLERANCE = 0.1


@dataclass(frozen=True)
class Limits:
    """What no honest score is below, in bits per byte: exact entropies, and a share of an anchor."""

    entropy: float | None = None
    fresh_entropy: float | None = None
    plausible: float = 0.0
    trigram: float | None = None
    second_trigram: float | None = None

    @classmethod
    def of(cls, track, second=None):
        """Of a track, and of the second text (second.SecondText) that is scored along with it."""
        anchors = track.manifest["anchors"]
        share = PLAUSIBLE_SHARE_CUSTOM if track.base == "custom" else PLAUSIBLE_SHARE
        return cls(
            anchors.get("entropy_bpb"),
            second and second.entropy_bpb,
            share * anchors["trigram_bpb"],
            anchors["trigram_bpb"],
            second and second.trigram_bpb,
        )


def judged_bpb(nats, sizes, rows, limits):
    """val_bpb over the first `rows` rows, unless it is one that no honest model can have. The
    other rows are the second text's."""
    bpb = bits_per_byte(nats, sizes, range(rows))
    check_plausible(bpb, int(sizes[:rows].sum()), limits)
    if rows < len(sizes):
        check_second(bpb, bits_per_byte(nats, sizes, range(rows, len(sizes))), limits)
    return bpb


def check_second(bpb, second_bpb, limits):
    """Refuse a model that is better on the validation text than on a second one it cannot know."""
    if limits.fresh_entropy is not None:
        above, fresh = bpb - limits.entropy, second_bpb - limits.fresh_entropy
        if fresh > 1.1 * above + FRESH_TOLERANCE:
            raise EvaluationError(
                f"the model knows the validation text: {above:.4f} bits per byte above "
                "its entropy, "
                f"but {fresh:.4f} above that of new text of the same kind"
            )
    if limits.second_trigram is not None:
        share, second_share = bpb / limits.trigram, second_bpb / limits.second_trigram
        if second_share > share + SECOND_TOLERANCE * share**2:
            raise EvaluationError(
                f"the model knows the validation text: {share:.4f} of what the trigram scores "
                f"on it, but {second_share:.4f} on a second text that is hidden as well"
            )


def bits_per_byte(nats, sizes, rows):
    return math.fsum(nats[row] for row in rows) / math.log(2) / int(sizes[list(rows)].sum())


def check_plausible(bpb, size, limits):
    """Refuse what is no number, zero, below the text's entropy, or far below every anchor."""
    # a model that does not know the text saves k bits on its exact information with a probability
    # of at most 2^-k
    if limits.entropy is not None and bpb * size < limits.entropy * size - 64:
        raise EvaluationError(
            f"val_bpb {bpb:.6f} is below what is possible ({limits.entropy:.6f} is the exact "
            "entropy of this text): the model knows the validation text"
        )
    if not math.isfinite(bpb) or bpb <= 0:
        raise EvaluationError(
            f"val_bpb {bpb:.6f} is below what is possible: the model knows the validation text"
        )
    if bpb < limits.plausible:
        raise EvaluationError(
            f"val_bpb {bpb:.6f} is below what is plausible ({limits.plausible:.6f}, a "
            "share of what "
            "a static trigram scores): no model learns that much in the budget"
        )
