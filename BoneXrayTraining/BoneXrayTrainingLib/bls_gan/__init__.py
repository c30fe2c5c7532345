"""Layer separation by a generator and its supervisor: BLS-GAN's recipe, written anew.

H. Wang et al., "BLS-GAN: A Deep Layer Separation Framework for Eliminating Bone Overlap in
Conventional Radiographs", AAAI 2025, arXiv 2409.07304. One joint, two bones, both masks given:

    physics         two layer images and the soft tissue between -> the image again
    networks        generator, supervisor, reconstructor
    objective       what they minimise
    batches         joints as they take them
    config          what a run depends on
    learner         the three networks and their optimisers; a step
    checkpoints     to go on with
    export          run folder -> model folder

`separation` trains; `BoneXrayLib.separating.layer_alone` asks a model folder. Importing this
package imports nothing else.
"""
