"""BoneXrayTraining: the `bone-xray` command, and the trainer behind it.

The stages, in the order of the data (a stage imports earlier stages and BoneXrayLib only):

    mappings        tables of TOML and JSON as dataclasses
    pairs           draw a pose and a beam, project a CT: one sample and its record
    label_ct        a CT from a label map; mesh_ct: from surface meshes of bones
    sources         CTs: which file, which patient, how it becomes parts
    generation      data sets of samples on disk, from any number of CTs
    augmentation    what detectors and displays do to an image
    dataset         CTs by patient, batches
    pool            samples on the fly, the same ones at the same step
    losses          what training minimises
    learner         network, optimiser, a step
    trainer         configuration -> run folder with checkpoints, in one process or several
    export          run folder -> model folder
    separation      BLS-GAN's recipe, to compare with: its parts are in bls_gan
    evaluation      model + CTs -> figures beside trivial baselines, with intervals over patients
    agreement       what readers said -> how far they agree
    reader_study    images -> a blinded study; reader_report: its answers -> figures
    console         what a command prints, where it writes
    results         what a command leaves on disk
    commands        one dataclass a command
    slicer_process  the same command started and followed from the panel

Importing this package imports nothing else.
"""
