"""The label rule: which diagnoses count as malignant, and how each layout spells them.

Malignant are melanoma, basal cell carcinoma and squamous cell carcinoma, in situ included, as in the ISIC archive. Actinic keratosis and
atypical melanocytic proliferations are indeterminate there: they get no label, and are left out and listed. HAM10000's ``akiec`` mixes
actinic keratosis with intraepithelial carcinoma; its authors count it with the malignant ones, and so do we. A table that states benign or
malignant itself (``target``, ``benign_malignant``, ``diagnosis_1``) is believed.
"""

import dataclasses

BENIGN, MALIGNANT, INDETERMINATE = "benign", "malignant", "indeterminate"
BINARY = (BENIGN, MALIGNANT)


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """One line of the diagnosis table."""

    name: str  # as it stands in a dataset's table
    verdict: str  # benign | malignant | indeterminate
    spellings: tuple[str, ...] = ()  # other names for it, in lower case


DIAGNOSES = (
    Diagnosis(
        "melanoma", MALIGNANT, ("mel", "melanoma, nos", "melanoma in situ", "melanoma invasive", "melanoma metastasis", "lentigo maligna")
    ),
    Diagnosis(
        "basal cell carcinoma",
        MALIGNANT,
        ("bcc", "basal cell carcinoma, nos", "basal cell carcinoma, nodular", "basal cell carcinoma, superficial"),
    ),
    Diagnosis(
        "squamous cell carcinoma",
        MALIGNANT,
        (
            "scc",
            "squamous cell carcinoma, nos",
            "squamous cell carcinoma in situ",
            "squamous cell carcinoma, invasive",
            "bowen's disease",
            "keratoacanthoma",
        ),
    ),
    Diagnosis("actinic keratosis or intraepithelial carcinoma", MALIGNANT, ("akiec",)),
    Diagnosis("actinic keratosis", INDETERMINATE, ("ak", "solar or actinic keratosis")),
    Diagnosis(
        "atypical melanocytic proliferation",
        INDETERMINATE,
        ("atypical melanocytic neoplasm", "atypical intraepithelial melanocytic proliferation"),
    ),
    Diagnosis("nevus", BENIGN, ("nv", "naevus", "melanocytic nevus", "melanocytic nevi", "nevi")),
    Diagnosis("benign keratosis", BENIGN, ("bkl", "pigmented benign keratosis", "benign keratosis-like lesions")),
    Diagnosis("seborrheic keratosis", BENIGN, ("sk", "seborrhoeic keratosis")),
    Diagnosis("lichenoid keratosis", BENIGN, ("lichen planus like keratosis",)),
    Diagnosis("solar lentigo", BENIGN),
    Diagnosis("lentigo simplex", BENIGN),
    Diagnosis("lentigo", BENIGN, ("lentigo nos",)),
    Diagnosis("dermatofibroma", BENIGN, ("df",)),
    Diagnosis("vascular lesion", BENIGN, ("vasc", "vascular lesions")),
    Diagnosis("angioma", BENIGN, ("hemangioma", "haemangioma")),
    Diagnosis("angiofibroma or fibrous papule", BENIGN, ("angiofibroma", "fibrous papule")),
    Diagnosis("cafe-au-lait macule", BENIGN),
    Diagnosis("scar", BENIGN),
    Diagnosis("verruca", BENIGN, ("wart",)),
    Diagnosis("neurofibroma", BENIGN),
)

_BY_SPELLING = {spelling: entry for entry in DIAGNOSES for spelling in (entry.name, *entry.spellings)}
_STATEMENTS = {
    "0": BENIGN, "0.0": BENIGN, "benign": BENIGN, "false": BENIGN,
    "1": MALIGNANT, "1.0": MALIGNANT, "malignant": MALIGNANT, "true": MALIGNANT,
    "indeterminate": INDETERMINATE, "indeterminate/benign": INDETERMINATE, "indeterminate/malignant": INDETERMINATE,
}  # fmt: skip
_NUMBERS = ("0", "0.0", "1", "1.0")
_UNKNOWN = ("", "unknown", "unk", "other", "nan", "none", "null", "na", "n/a", "<na>", "?", "-")


def known(text: str) -> str:
    """``text`` without spaces around it; empty if it only says that nothing is known."""
    plain = text.strip()
    return "" if plain.lower() in _UNKNOWN else plain


def diagnosis(text: str) -> str:
    """The name that the diagnosis table gives to ``text``, else the text in lower case; empty if it says that nothing is known."""
    plain = known(text).lower()
    entry = _BY_SPELLING.get(plain)
    return entry.name if entry else plain


def statement(text: str) -> str:
    """What a table says outright (``0``, ``Benign``, ``malignant`` ...): benign, malignant, indeterminate, or empty."""
    return _STATEMENTS.get(text.strip().lower(), "")


def verdict(text: str) -> str:
    """What the diagnosis table says of a diagnosis: benign, malignant, indeterminate, or empty if it is not in the table."""
    entry = _BY_SPELLING.get(text.strip().lower())
    return entry.verdict if entry else ""


def judged(texts: list[str]) -> list[str]:
    """The labels of one column, or of one set of folders, as they are to be judged.

    0 and 1 state benign and malignant only where nothing else stands beside them. Among 2, 3 ... they number classes, and among names they
    mean nobody knows what; there they come back empty.
    """
    if all(statement(text) or not known(text) for text in texts):
        return texts
    return ["" if text.strip() in _NUMBERS else text for text in texts]
