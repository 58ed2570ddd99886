"""The seven diagnoses of HAM10000, in the model's output order."""

# The model's output order: the seven diagnoses of HAM10000, alphabetical, as every released loader sorts them.
CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")


CLASS_NAMES = {
    "akiec": "actinic keratosis / Bowen's disease",
    "bcc": "basal cell carcinoma",
    "bkl": "benign keratosis-like lesion",
    "df": "dermatofibroma",
    "mel": "melanoma",
    "nv": "melanocytic nevus",
    "vasc": "vascular lesion",
}


MEL = CLASSES.index("mel")
