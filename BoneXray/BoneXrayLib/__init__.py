"""BoneXray: radiographs of a CT's bones, and the bones of a radiograph.

The stages, in the order of the data (a stage imports earlier stages only); a folder holds the parts
of the stage that follows it, or a stage of many files:

    dicom           DICOM files: series of slices, radiographs, compressed pixels
    label_maps      labels of a CT, in the forms that others write them (labels)
    volume          CT in: Hounsfield units on a patient RAS grid
    phantoms        solids with exact line integrals, a synthetic limb
    contrast        where contrast medium is among what a threshold takes for bone
    bone            which voxels are bone: windows, presets, labels -> parts
    attenuation     Hounsfield units -> attenuation [1/mm]
    geometry        source, detector, beam, named views in the patient's frame
    poses           geometries from projection matrices, C-arm angles, earlier records
    beam_models, view_direction, outlines   what of it is drawn in 3D and over radiographs
    projection      parts + geometry -> line integrals (optical density)
    radiograph      radiographs in and out, always bone bright
    drr             CT -> simulated radiograph with layers
    physics         materials, spectra, detector, scatter, beam field of an exposure
    exposure        line integrals -> what a detector shows; ct_exposure from the CT itself
    live            a CT kept ready: any window, any view, at once
    long_leg        CT -> several shots, stitched as whole-leg radiographs are
    models          model folders: card, hashes; cards says what a card holds
    inference       model + arrays -> arrays; running computes the network
    domain          radiograph or photograph, bright or dark bones, by numbers in domains
    extraction      radiograph -> its bones, enhanced or suppressed
    segmentation    radiograph -> a mask for each bone, which overlap; segments has bones by name
                    (structures), which way round an image is, DICOM SEG, .seg.nrrd, mask files
    layers          radiograph -> what each bone adds, and the rest; separating asks the models
    segment_files   masks as PNG, .seg.nrrd, DICOM SEG, and tables
    layer_files     layers as float images that add up to the radiograph, and pictures
    layer_blending  layers put together again, faded or in colours
    comparison      how alike two images are; mask_comparison: two masks
    shape_model     mean and modes of a bone's shape
    leg_features    what is found of a leg bone in a radiograph: points, ellipses, outline
    fitting         contours, edges, spheres' conics; the problem, its solver, posterior, verdict
    reconstruction  features in one or two views + shape_model -> the bone in 3D
    joints          layers of two bones -> width of their joint; of two visits -> its narrowing
    legs            radiographs -> features (leg_detection) -> femur and tibia in 3D
                    (leg_reconstruction), lengths and angles (leg_measures), files
    reading_study, reading   a reader study on disk, one reader's way through it
    samples         sample data, fetched when asked for
    scene, leg_scene   the types above as nodes in 3D Slicer
    panels          the groups of the panel

Importing this package imports nothing else: take what you need from its stage, for example
``from BoneXrayLib.volume import read_volume``.
"""

__version__ = "0.1.0"
