"""Fast R-CNN with AlexNet on VOC2007, by py-faster-rcnn's numbers.

Data: ``tools/prepare_data.py voc07``, ``tools/make_proposals.py``.
Command: ``tools/finetune_detection.sh
configs/detection/fast-rcnn_alexnet_voc07.py CHECKPOINT 1``. Hardware meant
for: one GPU with 2 images. Paper: VOC07 56.8 supervised, 55.4 DeepCluster,
48.1 NPID, 56.6 ISL. Here: not run.

conv1 to conv5 at stride 16, RoIPool to 6x6 in the place of pool5, fc6 and fc7
of the pretrained network as the shared head, with dropout. All batch
normalisation is frozen and so is conv1; the rest is trained for 40,000
iterations at a learning rate of 0.001, a tenth from 30,000 on, twice that for
biases, which do not decay; 64 regions an image, so 128 an iteration, a quarter
of them objects; short side 600; 2,000 proposals of selective search.

DeepCluster's network looks at Sobel derivatives and has no normalisation
behind fc6 and fc7: fast-rcnn_alexnet-deepcluster_voc07.py. With the
normalisation folded into the layers before it, and those rescaled so that all
learn equally fast: fast-rcnn_alexnet-folded_voc07.py.

Deviation: targets of boxes are divided by 0.1, 0.1, 0.2 and 0.2, as Faster
R-CNN does, not by the deviations that Fast R-CNN finds for every class. And
convolutions and pools are padded as in pretraining, where Girshick's code pads
them anew, so that the cells of conv5 lie on multiples of 16 pixels; here they
lie 15 pixels further, and regions are moved to them.
"""

_base_ = [
    '_base_/fast-rcnn_alexnet.py',
    '_base_/voc07_proposals.py',
    '_base_/caffe_40k.py',
]
