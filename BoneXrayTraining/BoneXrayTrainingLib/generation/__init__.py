"""Data sets of samples on disk: `bone-xray generate`.

The files, in the order of the data:

    config        what a data set depends on, read from TOML
    hashes        SHA-256 of CTs
    splits        patients to train, validation and test; leakage refused
    landmarks     points in a CT, and where they fall in a radiograph
    localizer     a real localizer's geometry, and the CT it belongs to
    exposures     a sample as a detector shows it
    plan          which samples there will be, in which shards, how large
    sample        one sample and the record that gives it again
    store         shards written whole, and read
    work          all samples of one CT: what a worker does
    schedule      who works: this process, local workers, a Dask cluster
    watch         progress, budget and the end of a run, seen from outside
    header        dataset.json: what the data set is, where its samples came from
    run           plan -> folder, resumable
    replay        a sample again from its record
    pool          samples as the trainer draws them
    forms         the same data set as nnU-Net or PNG
"""
