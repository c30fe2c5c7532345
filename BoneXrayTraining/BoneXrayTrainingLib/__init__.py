"""BoneXrayTraining: the `bone-xray` command, and the trainer behind it.

The stages, in the order of the data (a stage imports earlier stages and BoneXrayLib only):

    mappings        tables of TOML and JSON as dataclasses
    pairs           draw a pose and a beam, project a CT: one sample and its record
    label_ct        a CT from a label map; mesh_ct: from surface meshes of bones
    atlas           meshes laid over a CT: labels for bones that touch
    sources         CTs: which file, which patient, how it becomes parts; labelled, legs
    generation      data sets of samples on disk, from any number of CTs
    sampling        augmentation, batches (dataset), samples on the fly (pool)
    learning        configuration -> run folder with checkpoints (trainer): losses, learner, steps
    exporting       run folder -> model folder
    separation      BLS-GAN's recipe, to compare with: its parts are in bls_gan
    evaluation      model + CTs -> figures beside trivial baselines, with intervals over patients
    evaluating_segments, evaluating_layers, evaluating_legs   the same for the other tasks
    shape_building  surfaces -> a shape model
    readers         images -> a blinded study (reader_study); its answers -> figures (reader_report)
    console         what a command prints, where it writes
    results         what a command leaves on disk
    commands        one dataclass a command
    panels          the groups of the training panel; slicer_process runs the command from it

Importing this package imports nothing else.
"""
