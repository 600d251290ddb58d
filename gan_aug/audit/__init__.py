"""Does a generator copy the images it was trained on? Every measure beside the same of held-out real images, and a verdict in words.

The training images of a run are those of its training list that the dataset holds; of a folder of pictures, the train part. Held-out images
are of val. Images that are nearest to each other are put side by side on a picture sheet, for people to look at; it shows photographs of
patients and is only written to the workspace or where the user says.
"""

from gan_aug.audit.records import Audit, ClassAudit, Pair, SpaceAudit, audits
from gan_aug.audit.run import SHEET, audit
from gan_aug.audit.verdict import CLEAN, COPIES, TOO_FEW

__all__ = ["CLEAN", "COPIES", "SHEET", "TOO_FEW", "Audit", "ClassAudit", "Pair", "SpaceAudit", "audit", "audits"]
