"""Networks, one family a file. They import torch only; configs/model/ has a YAML for each named member."""
