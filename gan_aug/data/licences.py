"""Licences as tables state them: free text, of which only CC0 is told apart. A model that has seen any other image is not published."""


def is_free(licence: str) -> bool:
    """Whether a licence asks for nothing: CC0, however it is spelled."""
    return licence.upper().replace("-", "").startswith(("CC0", "DRAWN BY GAN_AUG, CC0"))


def stricter(one: str, other: str) -> str:
    """What holds for an image of which two licences are stated: the one that is not CC0, or both where neither is."""
    stated = dict.fromkeys(part for licence in (one, other) for part in licence.split(" and ") if part)
    return " and ".join(part for part in stated if not is_free(part)) or next(iter(stated), "")
