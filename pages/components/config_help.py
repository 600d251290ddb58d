"""Words for the settings of a GAN's training: a label, a sentence of help, and the heading each stands under in the form."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Words:
    """How the form names and explains one field of GanConfig."""

    group: str
    label: str
    help: str


# Shown in the main part of the form; every other field is an advanced setting.
MAIN_FIELDS = ("resolution", "total_kimg")

WORDS: dict[str, Words] = {
    "resolution": Words("Images", "Image size", "Side of the images in pixels. Twice the size takes about four times as long."),
    "total_kimg": Words("Length", "Length", "How many thousand real images are shown in all, counting repeats."),
    "tick_kimg": Words("Length", "Statistics every", "A line of statistics and a refreshed chart every so many thousand images."),
    "snapshot_kimg": Words("Length", "Snapshot every", "The state is saved every so many thousand images; training resumes from the last."),
    "batch_size": Words("Learning", "Images per step", "More images per step give steadier steps and need more memory."),
    "g_lr": Words("Learning", "Generator learning rate", "Size of the generator's steps (Adam)."),
    "d_lr": Words("Learning", "Discriminator learning rate", "Size of the discriminator's steps (Adam)."),
    "lr_decay": Words("Learning", "Learning rate decay", "Both fall to 0 over this share of the training, its end. 0 is off."),
    "beta1": Words("Learning", "Adam beta 1", "Memory of the gradient's mean. GANs use 0 to 0.5, less than other networks."),
    "beta2": Words("Learning", "Adam beta 2", "Memory of the gradient's square."),
    "d_steps": Words("Learning", "Discriminator steps", "Discriminator updates for each generator update. It slows training by as much."),
    "real_label": Words("Loss", "Target for real images", "Below 1, the discriminator is asked to stay a little unsure of real images."),
    "gp_weight": Words("Loss", "Gradient penalty", "How firmly the critic is held smooth."),
    "r1_gamma": Words("Loss", "R1 penalty", "Holds the discriminator flat around real images. 0 switches it off."),
    "r2_gamma": Words("Loss", "R2 penalty", "Holds the discriminator flat around generated images. 0 switches it off."),
    "r1_every": Words("Loss", "R1 and R2 every", "The penalties are applied every so many discriminator updates, scaled up by as much."),
    "aux_d": Words("Loss", "Class loss of D", "Weight of naming the class right."),
    "aux_g": Words("Loss", "Class loss of G", "Weight of generating the class that was asked for."),
    "aux_fake": Words("Loss", "Class loss on fakes", "Whether classes are also learnt from generated images."),
    "augment": Words("Small data", "DiffAugment", "Distorts all that the discriminator sees. Colour is diagnostic: leave it out."),
    "augment_target": Words(
        "Small data",
        "Adaptive DiffAugment",
        "0 distorts always. Above 0, only as much as the discriminator learns real images by heart; 0.6 is usual.",
    ),
    "dihedral": Words("Small data", "Flips and turns", "Real images are also shown flipped and in quarter turns. Dermoscopy has no top."),
    "ema_kimg": Words(
        "Small data", "Averaging half-life", "In thousand images. Images come from an average of recent generators; 0 is off."
    ),
    "ema_rampup": Words("Small data", "Averaging at the start", "The half-life is at most this share of the images seen so far."),
    "z_dim": Words("Network", "Latent size", "How many numbers describe one image to the generator."),
    "width": Words("Network", "Width", "Channels of the layer nearest the image. Twice the width takes about four times the computing."),
    "architecture": Words("Network", "Architecture", "Networks of DC-GAN's size, or those of the method's own paper."),
    "upsampling": Words("Network", "Upsampling", "resize avoids the fine chequerboard of transposed convolutions."),
    "d_norm": Words("Network", "Normalisation in D", "With one, D hardly sees it when all generated images are too red."),
    "precision": Words("Network", "Precision", "auto computes in bfloat16 where the processor is faster at it."),
    "channels_last": Words("Network", "Channels last", "Memory layout; faster on most processors, and no change in quality."),
}
