# Constants for a small GPU or Apple silicon. Each comment ends with a range that makes sense. The
# rates of Adam and the tables hold at width 768: times (width/768)^-0.5.

DEPTH = 4  # layers, 2 to 24
ASPECT = 64  # width = depth * aspect, rounded up to whole heads, 32 to 256
HEAD_DIM = 128  # channels a head, one of 32, 64, 128
PATTERN = "L"  # windows of the layers in turn, S short (256 tokens), L full; the last is full
ROTARY_BASE = 200000  # 1000 to 1000000
KEY_SHIFT = 1  # half of the channels: no rotation, keys of the token before, one of 0, 1
CONV_TAPS = 0  # causal depthwise convolution before attention, 0 = none, 0 to 4
SMEAR = 1  # each embedding gets a learned share of the one before, one of 0, 1
BIGRAM_ROWS = 0  # hashed input tables, 0 = none, 0 to 1048576
TRIGRAM_ROWS = 0  # 0 to 1048576
VALUE_EMBEDS = 1  # every second layer mixes its own token table into V, one of 0, 1
B_START = 0.05  # how much of x0 enters every layer at first, 0.0 to 0.5
MATRIX_START = 0.68  # first matrices: uniform within this * sqrt(3 / width), 0.1 to 2.0
SOFTCAP = 15.0  # logits stay within plus and minus this, 5 to 50

TOTAL_BATCH = 16384  # tokens an optimiser step, powers of two, 4096 to 2097152
MICRO_ROWS = 32  # rows on the device at once; halved by itself when memory runs out, 1 to 32
MATRIX_LR = 0.04  # Muon, 0.005 to 0.2
EMBED_LR = 0.9  # 0.05 to 2.0
HEAD_LR = 0.005  # 0.0005 to 0.05
TABLE_LR = 0.9  # value embeddings and hashed tables, 0.05 to 2.0
SCALAR_LR = 0.5  # a and b, 0.005 to 1.0
A_RATE = 0.01  # rate of the residual scalars a, as a fraction of SCALAR_LR, 0.001 to 1
MATRIX_DECAY = 0.2  # cautious, falls to zero over the run, 0.0 to 1.0
HEAD_DECAY = 0.01  # 0.0 to 0.1
EMBED_DECAY = 0.001  # 0.0 to 0.1
MATRIX_MOMENTUM_START = 0.85  # Muon's momentum at progress 0, 0.5 to 0.95
MATRIX_MOMENTUM = 0.95  # and from progress MOMENTUM_RAMP on, 0.8 to 0.98
MOMENTUM_RAMP = 0.1  # 0.0 to 1.0
MATRIX_BETA2 = 0.95  # second moment of Muon's rows or columns, 0.8 to 0.999
ADAM_BETA1 = 0.8  # 0.5 to 0.95
ADAM_BETA2 = 0.95  # 0.9 to 0.999
B_BETA1 = 0.96  # the input-skip scalars b: slower and steadier than the rest, 0.8 to 0.99
FALL = 0.75  # last part of the budget, in which the rates fall, 0.0 to 1.0
FINAL_RATE = 0.05  # fraction of the rates left at the end, 0.0 to 0.5
COMPILE = 1  # 0 nothing, 1 model and optimiser, one of 0, 1; falls back by itself
