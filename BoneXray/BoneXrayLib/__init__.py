"""BoneXray: radiographs of a CT's bones, and the bones of a radiograph.

The stages, in the order of the data (a stage imports earlier stages only):

    volume          CT in: Hounsfield units on a patient RAS grid, label maps
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
    materials, spectra, thicknesses, detector, scatter, beam_field   the physics of an exposure
    exposure        line integrals -> what a detector shows; ct_exposure from the CT itself
    long_leg        CT -> several shots, stitched as whole-leg radiographs are
    models          model folders: card, hashes
    inference       model + arrays -> arrays
    extraction      radiograph -> its bones, enhanced or suppressed
    structures      bones by name: colour, code, side, pieces
    segmentation    radiograph -> a mask for each bone, which overlap; mask_pieces tidies them
    layers          radiograph -> what each bone adds, and the rest; mask_files reads masks,
                    layer_alone asks models of another make
    layer_blending  layers put together again, faded or in colours
    segment_files   masks as PNG, .seg.nrrd (segment_nrrd), DICOM SEG (segment_dicom), and tables
    layer_files     layers as float images that add up to the radiograph, and pictures
    comparison      how alike two images are
    leg_features    what is found of a leg bone in a radiograph: points, ellipses, outline
    conics, contour, image_contour   what the image shows of spheres and surfaces
    reconstruction  features in one or two views + shape_model -> the bone in 3D, by fit_*
    leg_measures    lengths and angles of a rebuilt leg; reconstruction_files writes both
    leg_detection   radiograph -> features of a leg; leg_feature_files has them as files
    leg_reconstruction   one or two radiographs -> femur and tibia in 3D; leg_geometry finds the
                    geometry, leg_picture draws contours, leg_files writes all
    joint_space     layers of two bones -> width of their joint; of two visits -> its narrowing
    joint_space_files   as table, record and picture
    reading_study, reading   a reader study on disk, one reader's way through it
    samples         sample data, fetched when asked for
    slicer_nodes, slicer_views   the types above as nodes in 3D Slicer

Importing this package imports nothing else: take what you need from its stage, for example
``from BoneXrayLib.volume import read_volume``.
"""

__version__ = "0.1.0"
