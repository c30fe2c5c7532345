"""Imports go one way, as the data does, and only `slicer_*` files need Slicer."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
LIB = REPOSITORY / "BoneXray" / "BoneXrayLib"
TRAINING = REPOSITORY / "BoneXrayTraining" / "BoneXrayTrainingLib"
DOORS = (REPOSITORY / "BoneXray/BoneXray.py", REPOSITORY / "BoneXrayTraining/BoneXrayTraining.py")

# Folders whose files are stages of their own; every other folder is one stage.
LIB_FOLDERS = """
    cards dicom domains fitting joints labels leg_scene legs panels physics running scene segments
    separating
""".split()  # noqa: SIM905
TRAINING_FOLDERS = """
    evaluating_layers evaluating_legs evaluating_segments exporting learning panels readers sampling
""".split()  # noqa: SIM905
FOLDERS = {LIB: LIB_FOLDERS, TRAINING: TRAINING_FOLDERS}

# In the order of the data: a stage imports what stands before it. Files of one stage that are
# split (a stage's parts stand directly before it) are stages of their own here.
LIB_STAGES = """
    progress files nifti_check packed_sums display volume_files
    jpeg_check compressed_pixels dicom_files dicom_slices dicom_series slice_plan slice_stack
    name_tables mask_folder nifti_table dicom_segments label_maps volume
    phantoms attenuation distances body bone_presets specks contrast_kernels contrast_lung contrast
    bone geometry_config geometry pose_matrix c_arm poses beam_models view_direction outlines
    projection
    picture_files float_nrrd dicom_spacing dicom_radiograph radiograph image_names drr
    materials spectra thicknesses detector scatter beam_field exposure_config water_correction
    exposure ct_exposure
    thinning kept live
    long_leg_config long_leg_shots long_leg
    resizing framing card_checks model_card model_files models networks packed_weights
    runtimes tiles inference
    image_statistics polarity_statistics domain_weights domain extraction
    structures mask_pieces mirror_images turned_images segment_config
    share_masks closer_look segmentation
    segment_terminology segment_nrrd
    mask_files layer_questions layer_alone layer_shares separate_config layers
    segment_dicom segment_files layer_files layer_blending
    picture_report comparison mask_comparison
    shape_marks shape_packing shape_model
    leg_features point_projection conics contour image_contour edge_search reconstruction_config
    fit_state fit_prior fit_terms fit_problem fit_solver fit_posterior fit_verdict leg_measures
    reconstruction reconstruction_files
    bone_motion layer_search layer_registration joint_margins joint_space_config joint_space
    joint_visit joint_space_picture joint_space_files
    leg_channels heat_maps leg_looks leg_pieces leg_detection
    leg_config leg_finding leg_feature_files leg_geometry leg_reconstruction leg_picture leg_files
    leg_drawing
    reading_study reading samples
    slicer_messages slicer_packages slicer_nodes slicer_results slicer_samples slicer_jobs
    slicer_preview slicer_inputs slicer_long_leg slicer_exposure_parameters slicer_leg_parameters
    slicer_parameters slicer_layouts slicer_views slicer_folders
    slicer_scene slicer_ray slicer_outlines slicer_about slicer_reading slicer_panel_pose
    slicer_panel_scene slicer_panel_ct slicer_panel_exposure slicer_panel_long_leg
    slicer_segments slicer_layer_nodes slicer_layer_looks slicer_layers slicer_joint_space
    slicer_leg_markups slicer_leg_features slicer_leg_watch slicer_leg_work slicer_leg_nodes
    slicer_leg_scene slicer_leg_words
    slicer_ct_logic slicer_segment_logic slicer_layer_logic slicer_leg_logic
    slicer_panel_job slicer_panel_model slicer_panel_radiograph slicer_panel_segment
    slicer_panel_fades slicer_panel_layers slicer_panel_joint slicer_panel_leg
    slicer_panel_leg_fit slicer_panel_reader slicer_panel
""".split()  # noqa: SIM905
TRAINING_STAGES = """
    choices mappings limits label_ct mesh_ct segments_file atlas regions pair_config pairs
    deformation structure_names sources surroundings hand_frame labelled stacking
    legs leg_views generation
    overlap_bins layer_images joint_images overlap_questions bone_excess mask_errors
    appearance augmentation dataset other_flesh ct_ends segment_images separation_images
    leg_images pool joint_places leg_pool losses channel_checks configuration processes
    features_card muon learner segment_loss separation_loss features_loss
    checkpoints beginnings run_folder run_pools watch trainer
    preview separation_card export_card export_onnx bls_gan separation export
    markdown intervals evaluation_cts pairings
    evaluation_tables evaluation_report
    contact_sheet evaluation evaluation_files
    segmentation_data labelled_cts segmentation_views masked_radiographs
    segmentation_baselines segmentation_tables segmentation_report segmentation_cases
    segmentation_sheet segmentation_evaluation
    separation_questions separation_shifts separation_regions separation_floors
    separation_features separation_rows separation_tables separation_report separation_cases
    shape_building
    separation_sheet separation_evaluation features_evaluation silhouettes reconstruction_asked
    reconstruction_folds reconstruction_cases reconstruction_network reconstruction_scores
    reconstruction_tables reconstruction_report reconstruction_evaluation
    label_choices
    agreement reader_images reader_study reader_report reader_tables
    console results commands __main__ slicer_process slicer_curves
    slicer_panel_task slicer_panel_labels slicer_panel_hand_over
    slicer_panel_data slicer_panel_pairs slicer_panel_run slicer_panel_model
""".split()  # noqa: SIM905

SLICER_PACKAGES = {"slicer", "vtk", "vtkmodules", "qt", "ctk"}
HEAVY_PACKAGES = {"torch", "numba", "monai", "onnxruntime", "SimpleITK", "pydicom", "imagecodecs"}
# Stages that every start of the command or the panel imports.
LIGHT_STAGES = "progress volume phantoms bone attenuation geometry drr models extraction samples"


@cache
def places_of(package: Path) -> dict[str, Path]:
    """The stages of a package by name: files, also those in `FOLDERS`, and other folders."""
    own = [p for p in package.glob("*.py") if p.stem != "__init__"]
    folders = [p.parent for p in package.glob("*/__init__.py")]
    alone = [p for p in folders if p.name not in FOLDERS[package]]
    within = [p for f in FOLDERS[package] for p in (package / f).glob("*.py") if p.stem[0] != "_"]
    places = {p.stem: p for p in (*own, *alone, *within)}
    assert len(places) == len(own) + len(alone) + len(within), "two stages are called alike"
    return places


def files_of(package: Path, stage: str) -> list[Path]:
    """The file of a stage, or the files of its folder."""
    place = places_of(package)[stage]
    return [place] if place.is_file() else sorted(place.glob("*.py"))


def imports(path: Path, at_file_scope: bool = False) -> Iterator[str]:
    """Absolute names of what a file imports, those under `if TYPE_CHECKING` left out.

    `from .a import b` in package P gives P.a and P.a.b.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(n) for block in ast.walk(tree) if _is_type_checking(block) for n in ast.walk(block)
    }
    nodes = _file_scope(tree) if at_file_scope else ast.walk(tree)
    for node in nodes:
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(node, path)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def _file_scope(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs when the file is imported."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield child
            yield from _file_scope(child)


def _absolute(node: ast.ImportFrom, path: Path) -> str:
    if node.level == 0:
        return node.module or ""
    top = next(p for p in (LIB, TRAINING) if path.is_relative_to(p))
    package = path.relative_to(top.parent).parent.parts
    base = package[: len(package) - (node.level - 1)]
    return ".".join([*base, *([node.module] if node.module else [])])


def stage_imports(package: Path, stage: str) -> set[str]:
    """Stages of the same package that a stage imports."""
    names = [n.split(".") for path in files_of(package, stage) for n in imports(path)]
    inside = [n[1:] for n in names if n[0] == package.name and len(n) > 1]
    inside = [n[1:] if n[0] in FOLDERS[package] and len(n) > 1 else n for n in inside]
    return {n[0] for n in inside} & set(places_of(package)) - {stage}


def tops(path: Path, at_file_scope: bool = False) -> set[str]:
    """Packages that a file imports."""
    return {name.split(".")[0] for name in imports(path, at_file_scope)}


@pytest.mark.parametrize(("package", "stages"), [(LIB, LIB_STAGES), (TRAINING, TRAINING_STAGES)])
def test_every_file_has_its_place_in_the_order(package: Path, stages: list[str]) -> None:
    assert set(places_of(package)) == set(stages)


@pytest.mark.parametrize("package", [LIB, TRAINING])
def test_folders_import_each_other_one_way_only(package: Path) -> None:
    places = places_of(package)
    home = {s: p.parent.name if p.parent != package else s for s, p in places.items()}
    reach: dict[str, set[str]] = {}
    for stage in places:
        found = {home[s] for s in stage_imports(package, stage)}
        reach.setdefault(home[stage], set()).update(found - {home[stage]})
    assert len(tuple(TopologicalSorter(reach).static_order())) == len(reach)


@pytest.mark.parametrize(
    ("package", "stage", "stages"),
    [(LIB, s, LIB_STAGES) for s in LIB_STAGES]
    + [(TRAINING, s, TRAINING_STAGES) for s in TRAINING_STAGES],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_stage_imports_earlier_stages_only(package: Path, stage: str, stages: list[str]) -> None:
    earlier = set(stages[: stages.index(stage)])
    assert stage_imports(package, stage) <= earlier, f"{stage} reaches forward"


def test_the_library_does_not_know_the_training_library() -> None:
    for path in LIB.rglob("*.py"):
        assert "BoneXrayTrainingLib" not in tops(path), path.name


@pytest.mark.parametrize("package", [LIB, TRAINING])
def test_only_slicer_files_import_slicer(package: Path) -> None:
    for path in package.rglob("*.py"):
        if not path.name.startswith("slicer_"):
            assert SLICER_PACKAGES.isdisjoint(tops(path)), path.name


@pytest.mark.parametrize("door", DOORS, ids=lambda path: path.stem)
def test_a_module_file_imports_at_its_top_only_what_slicer_ships(door: Path) -> None:
    shipped = SLICER_PACKAGES | {"numpy", "BoneXrayLib", "BoneXrayTrainingLib"}
    assert tops(door, at_file_scope=True) <= shipped | set(sys.stdlib_module_names)


@pytest.mark.parametrize("package", [LIB, TRAINING])
def test_importing_a_package_imports_nothing_heavy(package: Path) -> None:
    assert tops(package / "__init__.py", at_file_scope=True) <= {"__future__"}


@pytest.mark.parametrize("stage", LIGHT_STAGES.split())
def test_a_stage_that_every_start_needs_is_light(stage: str) -> None:
    assert HEAVY_PACKAGES.isdisjoint(tops(places_of(LIB)[stage], at_file_scope=True))


def test_the_commands_are_light() -> None:
    for path in [
        *files_of(TRAINING, "commands"),
        TRAINING / "console.py",
        TRAINING / "__main__.py",
    ]:
        assert HEAVY_PACKAGES.isdisjoint(tops(path, at_file_scope=True)), path.name


def test_no_file_but_the_door_lies_in_a_module_folder() -> None:
    for door in DOORS:
        assert [p.name for p in door.parent.glob("*.py")] == [door.name]


# A stage whose tests are part of another stage's file: stage -> test file.
TESTED_WITH = {
    "leg_finding": "leg_drawing",
    "image_names": "drr",
    "limits": "configuration",
    "pair_config": "configuration",
    "kept": "live",
    "layer_alone": "bls_gan",
    "contrast_kernels": "contrast",
    "contrast_lung": "contrast",
    "__main__": "commands",
    "beam_field": "exposure",
    "body": "bone",
    "bone_presets": "bone",
    "c_arm": "poses",
    "card_checks": "models",
    "channel_checks": "configuration",
    "beginnings": "trainer",
    "checkpoints": "trainer",
    "configuration": "trainer",
    "console": "commands",
    "bone_motion": "joint_space",
    "layer_search": "joint_space",
    "layer_registration": "joint_space",
    "joint_margins": "joint_space",
    "joint_space_config": "joint_space",
    "joint_space_picture": "command_measure",
    "joint_space_files": "command_measure",
    "joint_visit": "command_measure",
    "layer_files": "command_separate",
    "bone_excess": "separation_training",
    "joint_places": "separation_training",
    "mask_errors": "separation_training",
    "overlap_questions": "separation_training",
    "separation_card": "export",
    "separation_images": "separation_training",
    "separation_loss": "separation_training",
    "layer_questions": "separation",
    "layer_shares": "separation",
    "layers": "separation",
    "mask_pieces": "segmentation",
    "mirror_images": "segmentation",
    "share_masks": "closer_look",
    "segment_config": "segmentation",
    "separate_config": "separation",
    "segment_dicom": "segment_files",
    "segment_nrrd": "segment_files",
    "segment_terminology": "segment_files",
    "structure_names": "label_choices",
    "labelled": "segment_training",
    "segments_file": "atlas",
    "surroundings": "segment_training",
    "segment_images": "segment_training",
    "segment_loss": "segment_training",
    "run_pools": "segment_training",
    "export_card": "export",
    "export_onnx": "export",
    "packed_weights": "export",
    "appearance": "augmentation",
    "ct_exposure": "exposure",
    "contact_sheet": "evaluation",
    "dicom_files": "dicom_series",
    "dicom_radiograph": "radiograph",
    "dicom_slices": "dicom_series",
    "dicom_spacing": "radiograph",
    "display": "radiograph",
    "domain_weights": "domain",
    "exposure_config": "exposure",
    "evaluation_cts": "evaluation",
    "evaluation_files": "segmentation_evaluation",
    "evaluation_report": "evaluation",
    "evaluation_tables": "evaluation",
    "features_card": "features_training",
    "features_evaluation": "features_training",
    "features_loss": "features_training",
    "files": "volume",
    "fit_posterior": "reconstruction",
    "fit_prior": "reconstruction",
    "fit_problem": "reconstruction",
    "fit_solver": "reconstruction",
    "fit_state": "reconstruction",
    "fit_terms": "reconstruction",
    "fit_verdict": "reconstruction",
    "heat_maps": "leg_detection",
    "leg_channels": "leg_detection",
    "leg_config": "command_reconstruct",
    "leg_feature_files": "command_reconstruct",
    "leg_files": "command_reconstruct",
    "leg_geometry": "command_reconstruct",
    "leg_picture": "command_reconstruct",
    "leg_reconstruction": "command_reconstruct",
    "leg_images": "features_training",
    "leg_looks": "leg_detection",
    "leg_pieces": "leg_detection",
    "leg_pool": "legs",
    "leg_views": "legs",
    "float_nrrd": "radiograph",
    "generation": "generate",
    "geometry_config": "geometry",
    "image_contour": "contour",
    "image_statistics": "domain",
    "intervals": "agreement",
    "jpeg_check": "compressed_pixels",
    "label_ct": "dataset",
    "learner": "trainer",
    "labelled_cts": "segmentation_evaluation",
    "label_maps": "volume",
    "dicom_segments": "label_forms",
    "mask_folder": "label_forms",
    "name_tables": "label_choices",
    "nifti_table": "label_forms",
    "leg_features": "reconstruction",
    "long_leg_config": "long_leg",
    "mappings": "configuration",
    "long_leg_shots": "long_leg",
    "materials": "spectra",
    "markdown": "evaluation",
    "model_card": "models",
    "model_files": "models",
    "networks": "inference",
    "nifti_check": "volume",
    "packed_sums": "damaged_files",
    "outlines": "beam_models",
    "pairings": "evaluation",
    "picture_files": "radiograph",
    "point_projection": "conics",
    "polarity_statistics": "domain",
    "picture_report": "comparison",
    "pose_matrix": "poses",
    "progress": "commands",
    "reader_images": "reader_study",
    "reader_report": "reader_study",
    "reader_tables": "reader_study",
    "reading": "reader_study",
    "reading_study": "reader_study",
    "reconstruction_config": "reconstruction",
    "reconstruction_cases": "reconstruction_evaluation",
    "reconstruction_folds": "reconstruction_evaluation",
    "reconstruction_network": "reconstruction_evaluation",
    "reconstruction_report": "reconstruction_evaluation",
    "reconstruction_scores": "reconstruction_evaluation",
    "reconstruction_tables": "reconstruction_evaluation",
    "reconstruction_asked": "reconstruction_evaluation",
    "silhouettes": "reconstruction_evaluation",
    "reconstruction_files": "leg_measures",
    "results": "commands",
    "run_folder": "trainer",
    "runtimes": "inference",
    "scatter": "detector",
    "shape_marks": "shape_model",
    "segmentation_baselines": "segmentation_evaluation",
    "segmentation_cases": "segmentation_evaluation",
    "segmentation_data": "segmentation_evaluation",
    "segmentation_report": "segmentation_evaluation",
    "segmentation_sheet": "segmentation_evaluation",
    "segmentation_tables": "segmentation_evaluation",
    "segmentation_views": "segmentation_evaluation",
    "separation_cases": "separation_evaluation",
    "separation_features": "separation_evaluation",
    "separation_questions": "separation_evaluation",
    "separation_regions": "separation_evaluation",
    "separation_report": "separation_evaluation",
    "separation_rows": "separation_evaluation",
    "separation_sheet": "separation_evaluation",
    "separation_shifts": "separation_evaluation",
    "separation_tables": "separation_evaluation",
    "slice_plan": "dicom_series",
    "sources": "dataset",
    "slice_stack": "dicom_series",
    "thicknesses": "spectra",
    "view_direction": "beam_models",
    "volume_files": "volume",
    "watch": "trainer",
}


@pytest.mark.parametrize("stage", [*LIB_STAGES, *TRAINING_STAGES])
def test_every_stage_has_its_test_file(stage: str) -> None:
    tests = {path.stem for path in Path(__file__).parent.glob("test_*.py")}
    with_panel = "panel" if stage.startswith("slicer_") else ""
    mirror = {f"test_{name}" for name in (stage, TESTED_WITH.get(stage), with_panel)}
    assert mirror & tests
