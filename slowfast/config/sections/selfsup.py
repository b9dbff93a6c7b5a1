"""CONTRASTIVE, MASK and VIS_MASK: learning without labels."""

from __future__ import annotations

from slowfast.config.schema import Key, Section, above, at_least, between, numbers

CONTRASTIVE = Section(
    "CONTRASTIVE",
    "Contrastive and self-distilled learning from clips of one video (2104.14558).",
    (
        Key("TYPE", "mem", "Method.", choices=("mem", "self", "moco", "byol", "simclr", "swav")),
        Key("DIM", 128, "Channels of the embedding.", at_least(1), "at least 1"),
        Key("T", 0.07, "Temperature of the similarities.", above(0), "above 0"),
        Key("NUM_MLP_LAYERS", 1, "Layers of the projection.", at_least(1), "at least 1"),
        Key("MLP_DIM", 2048, "Channels of its hidden layers.", at_least(1), "at least 1"),
        Key("BN_MLP", False, "Batch norm in the projection."),
        Key("BN_SYNC_MLP", False, "Share these batch-norm statistics between processes."),
        Key("PREDICTOR_DEPTHS", [], "Layers of each predictor (BYOL); empty: none.",
            numbers(low=1), "a list of whole numbers from 1"),
        Key("MOMENTUM", 0.5, "Share of the old weights kept by the slow copy of the network, or "
            "of the old features kept by the memory.", between(0, 1), "from 0 to 1"),
        Key("MOMENTUM_ANNEALING", False, "Raise MOMENTUM to 1 along a cosine."),
        Key("QUEUE_LEN", 65536, "Embeddings in MoCo's queue.", at_least(0), "at least 0"),
        Key("MOCO_MULTI_VIEW_QUEUE", False, "Put the embeddings of all clips in the queue."),
        Key("LOCAL_SHUFFLE_BN", True, "Shuffle clips for batch norm within a machine only."),
        Key("SIMCLR_DIST_ON", True, "Take negatives from all processes (SimCLR)."),
        Key("SWAV_QEUE_LEN", 0, "Embeddings in SwAV's queue; 0: none (spelled as in public "
            "configs).", at_least(0), "at least 0"),
        Key("SEQUENTIAL", False, "Pass the clips of a video one after the other, to save memory."),
        Key("LENGTH", 239975, "Videos of the training list, for a memory of all their features.",
            at_least(1), "at least 1"),
        Key("MEM_TYPE", "1d", "Memory with one feature a video, or one for each of several times.",
            choices=("1d", "2d")),
        Key("INTERP_MEMORY", False, "Interpolate that memory between its times."),
        Key("KNN_ON", True, "Classify by nearest neighbours as a check while training."),
        Key("NUM_CLASSES_DOWNSTREAM", 400, "Classes of that check.", at_least(1), "at least 1"),
        Key("DELTA_CLIPS_MIN", float("-inf"), "Least distance between the clips of a video, in "
            "frames; -inf: any."),
        Key("DELTA_CLIPS_MAX", float("inf"), "Largest distance between the clips of a video, in "
            "frames; inf: any."),
    ),
)  # fmt: skip
MASK = Section(
    "MASK",
    "Pre-training by predicting masked patches (2112.09133, 2205.09113).",
    (
        Key("ENABLE", False, "Learn to predict masked patches."),
        Key("MAE_ON", False, "Encode visible patches only (masked autoencoder)."),
        Key("MAE_RND_MASK", False, "Draw the masked patches at random, one by one."),
        Key("PER_FRAME_MASKING", False, "Draw the same share in every frame."),
        Key("PRED_HOG", False, "Predict histograms of gradients (MaskFeat), not pixels."),
        Key("NORM_PRED_PIXEL", True, "Predict pixels normalised within each patch."),
        Key("TIME_STRIDE_LOSS", True, "Predict one frame of each patch in time, not all."),
        Key("PRETRAIN_DEPTH", [15], "Blocks, from 0, whose output the prediction is made from.",
            numbers(low=0), "a list of block numbers from 0"),
        Key("HEAD_TYPE", "separate", "Prediction head: linear, or a transformer.",
            choices=("separate", "separate_xformer")),
        Key("DECODER_DEPTH", 0, "Blocks of the transformer head.", at_least(0), "at least 0"),
        Key("DECODER_EMBED_DIM", 512, "Channels of the transformer head.",
            at_least(1), "at least 1"),
        Key("DECODER_SEP_POS_EMBED", False, "Separate position embeddings for time and space in "
            "the transformer head."),
        Key("DEC_KV_KERNEL", [], "Pooling kernel of its keys and values; empty: none.",
            numbers(low=1), "a list of numbers from 1"),
        Key("DEC_KV_STRIDE", [], "Pooling stride of its keys and values; empty: none.",
            numbers(low=1), "a list of numbers from 1"),
        Key("SCALE_INIT_BY_DEPTH", False, "Divide initial weights by the root of the depth."),
    ),
)  # fmt: skip
VIS_MASK = Section(
    "VIS_MASK",
    "Pictures of masked prediction.",
    (Key("ENABLE", False, "Draw input, mask and prediction instead of testing."),),
)
