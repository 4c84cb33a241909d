import { AV_LOG_QUIET } from 'node-av/constants';
import { Log } from 'node-av/lib';

import { LibavVideoEncoder } from '../../src/render/encode/libav-video-encoder.js';
import { FFMPEG, programEncoder } from '../helpers/program-encoder.js';
import { describeVideoEncoder } from '../integration/video-encoder-contract.js';

// Beside the contracts of the other encoders in software, this one takes longer than all of them.
Log.setLevel(AV_LOG_QUIET);

describeVideoEncoder('libx265 in this process', {
  codec: 'h265',
  open: (parameters, listener) => new LibavVideoEncoder('libx265', undefined, parameters, listener),
});

describeVideoEncoder(`libx265 through ${FFMPEG}`, programEncoder('h265', 'libx265'));
