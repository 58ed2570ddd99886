"""Profiles that train within seconds, on synthetic images: DenseNet-17 compiles in half of MobileNetV2's time."""

import dataclasses

from wagf_src.profile import Profile

FROZEN = Profile(
    name="tiny",
    description="",
    data="synthetic",
    synthetic_lesions=140,
    image_size=64,
    arms=("densenet17-probe", "densenet17-base", "densenet17-wagf-described", "densenet17-wagf-released"),
    weights="none",
    train="frozen",
    augmentation="none",
    validation="lesions",
    validation_fraction=0.2,
    epochs=3,
    batch_size=16,
    learning_rate=0.001,
)
END_TO_END = dataclasses.replace(
    FROZEN,
    arms=("densenet17-base",),
    train="end_to_end",
    augmentation="online",
    image_size=32,
    epochs=1,
    images_per_epoch=48,
    balance=0.0,
    batch_norm_momentum=0.5,
    schedule="cosine",
    optimizer="adamw",
    weight_decay=1e-4,
)
